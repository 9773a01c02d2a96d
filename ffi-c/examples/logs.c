/* Follow a container's log from an event loop, until it ends or this program is interrupted.
 *
 *     cc logs.c $(pkg-config --cflags --libs barque) -o logs
 *     ./logs CONTAINER
 */
#include <barque.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int cancel_fd = -1;

/* barque_cancel_trigger is not for signal handlers; write(2) is. */
static void interrupted(int signal_number)
{
    uint64_t one = 1;
    ssize_t written = write(cancel_fd, &one, sizeof one);
    (void)written;
    (void)signal_number;
}

/* Write what has come. 1 when the log has ended, 0 when more may come, negative on an error. */
static int drain(barque_stream *stream, barque_error **err)
{
    for (;;) {
        switch (barque_stream_next(stream, 0, err)) {
        case BARQUE_OK:
            if (barque_stream_channel(stream) != BARQUE_CHANNEL_DOCUMENT)
                fwrite(barque_stream_data(stream), 1, barque_stream_length(stream),
                       barque_stream_channel(stream) == BARQUE_CHANNEL_STDERR ? stderr : stdout);
            break;
        case BARQUE_TIMEOUT:
            fflush(stdout);
            return 0;
        case BARQUE_DONE:
            return 1;
        default:
            return barque_error_code(*err);
        }
    }
}

int main(int argc, char **argv)
{
    barque_engine *engine = NULL;
    barque_cancel *cancel = NULL;
    barque_stream *stream = NULL;
    barque_error *err = NULL;
    barque_doc *request = barque_doc_new();
    struct sigaction action;
    int code;

    if (argc != 2) {
        fprintf(stderr, "usage: logs CONTAINER\n");
        return 125;
    }
    barque_doc_set_str(request, "Id", argv[1], NULL);
    barque_doc_set_bool(request, "Follow", 1, NULL);
    barque_doc_set_str(request, "Tail", "10", NULL);

    code = barque_engine_open(NULL, NULL, &engine, &err);
    if (code == BARQUE_OK)
        code = barque_cancel_new(&cancel, &err);
    if (code == BARQUE_OK) {
        cancel_fd = barque_cancel_fd(cancel);
        memset(&action, 0, sizeof action);
        action.sa_handler = interrupted;
        sigaction(SIGINT, &action, NULL);
        code = barque_container_logs(engine, barque_doc_json(request), cancel, &stream, &err);
    }
    while (code == BARQUE_OK) {
        struct pollfd entry;
        entry.fd = barque_stream_fd(stream);
        entry.events = POLLIN;
        poll(&entry, 1, -1);
        code = drain(stream, &err);
    }
    if (code < 0 && code != BARQUE_ERR_CANCELLED)
        fprintf(stderr, "logs: %s\n", barque_error_message(err));

    barque_error_free(err);
    barque_stream_free(stream);
    barque_cancel_free(cancel);
    barque_doc_free(request);
    barque_engine_free(engine);
    return code < 0 ? 1 : 0;
}
