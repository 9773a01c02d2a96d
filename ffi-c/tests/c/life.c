/* Containers through every function that has one: made, run, fed, watched, stopped, listed, removed. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static barque_engine *engine;

static char *created(const char *name, const char *program, const char *argument)
{
    barque_doc *request = barque_doc_new(), *answer = NULL;
    char *text = NULL, *id = NULL;

    barque_doc_set_str(request, "Image", "hello", NULL);
    barque_doc_set_str(request, "Name", name, NULL);
    barque_doc_append_str(request, "Cmd", program, NULL);
    barque_doc_append_str(request, "Cmd", argument, NULL);
    barque_doc_set_bool(request, "OpenStdin", 1, NULL);
    barque_doc_set_str(request, "/Labels/com.example.role", "db", NULL);
    CHECK(barque_container_create(engine, barque_doc_json(request), NULL, &text, NULL) == BARQUE_OK);
    CHECK(barque_doc_parse(text, &answer, NULL) == BARQUE_OK);
    CHECK(barque_doc_get_str(answer, "Id", &id, NULL) == BARQUE_OK);
    CHECK(strlen(id) == 64);
    barque_string_free(text);
    barque_doc_free(answer);
    barque_doc_free(request);
    return id;
}

/* Read a stream to its end; what standard output said, and the last document. */
static void drain(barque_stream *stream, char *out, size_t room, char *document)
{
    size_t length = 0;
    int code;

    while ((code = barque_stream_next(stream, 30000, NULL)) == BARQUE_OK) {
        if (barque_stream_channel(stream) == BARQUE_CHANNEL_DOCUMENT) {
            CHECK(barque_stream_data(stream) == NULL && barque_stream_length(stream) == 0);
            strcpy(document, barque_stream_document(stream));
        } else if (barque_stream_channel(stream) == BARQUE_CHANNEL_STDOUT) {
            CHECK(length + barque_stream_length(stream) < room);
            memcpy(out + length, barque_stream_data(stream), barque_stream_length(stream));
            length += barque_stream_length(stream);
        }
    }
    CHECK(code == BARQUE_DONE);
    CHECK(barque_stream_next(stream, 0, NULL) == BARQUE_DONE);
    CHECK(barque_stream_channel(stream) == -1);
    out[length] = '\0';
}

static void *cancel_soon(void *stream)
{
    usleep(100 * 1000);
    barque_stream_cancel((barque_stream *)stream);
    return NULL;
}

static int cancel_descriptor;

static void on_alarm(int signal_number)
{
    uint64_t one = 1;
    (void)signal_number;
    if (write(cancel_descriptor, &one, sizeof one) < 0)
        _exit(2);
}

/* A wait is cancelled where only system calls are allowed; a canceller that was used stays used, and one too late is none. */
static void cancelled_at_every_time(const char *id)
{
    struct sigaction action;
    barque_cancel *cancel = NULL;
    barque_error *err = NULL;
    char *text = NULL;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(barque_cancel_new(&cancel, NULL) == BARQUE_OK);
    CHECK(barque_container_inspect(engine, id, cancel, &text, NULL) == BARQUE_OK);
    barque_string_free(text);
    cancel_descriptor = barque_cancel_fd(cancel);
    alarm(1);
    CHECK(barque_container_wait(engine, id, NULL, -1, cancel, NULL, NULL, &err) == BARQUE_ERR_CANCELLED);
    barque_error_free(err);
    barque_cancel_free(cancel);

    CHECK(barque_cancel_new(&cancel, NULL) == BARQUE_OK);
    barque_cancel_trigger(cancel);
    CHECK(barque_container_wait(engine, id, NULL, -1, cancel, NULL, NULL, NULL) == BARQUE_ERR_CANCELLED);
    CHECK(barque_container_stop(engine, id, 0, NULL, cancel, NULL) == BARQUE_ERR_CANCELLED);
    barque_cancel_free(cancel);
    CHECK(barque_container_inspect(engine, id, NULL, &text, NULL) == BARQUE_OK);
    CHECK(strstr(text, "\"Running\":true") != NULL);
    barque_string_free(text);
}

int main(int argc, char **argv)
{
    char out[4096], document[4096], *text = NULL, *id;
    barque_stream *stream = NULL;
    barque_output *output = NULL;
    barque_error *err = NULL;
    barque_doc *list = NULL;
    pthread_t thread;
    size_t written = 0, count = 0;
    int code = -1, round;

    CHECK(argc == 3);
    CHECK(barque_engine_open(argv[1], argv[2], &engine, NULL) == BARQUE_OK);

    /* One call. Output beyond the limit is counted. */
    CHECK(barque_container_run(engine,
              "{\"Create\":{\"Image\":\"hello\",\"Cmd\":[\"echo\",\"0123456789\"],\"HostConfig\":{\"AutoRemove\":true}}}",
              4, NULL, &output, NULL) == BARQUE_OK);
    CHECK(barque_output_stdout_length(output) == 4 && memcmp(barque_output_stdout(output), "0123", 4) == 0);
    CHECK(barque_output_stdout_total(output) == 11 && barque_output_stderr_total(output) == 0);
    CHECK(barque_output_exit_code(output) == 0 && strlen(barque_output_id(output)) == 64);
    CHECK_STR(barque_output_reason(output), "exited");
    CHECK(strstr(barque_output_json(output), "\"StatusCode\":0") != NULL);
    barque_output_free(output);

    /* A stream that is written to, and outlives its engine's handle. */
    CHECK(barque_container_run_stream(engine,
              "{\"Create\":{\"Image\":\"hello\",\"Cmd\":[\"cat\"],\"OpenStdin\":true,\"HostConfig\":{\"AutoRemove\":true}}}",
              NULL, &stream, NULL) == BARQUE_OK);
    CHECK(strlen(barque_stream_container(stream)) == 64 && barque_stream_fd(stream) >= 0);
    barque_engine_free(engine);
    CHECK(barque_stream_next(stream, 0, NULL) == BARQUE_TIMEOUT);
    CHECK(barque_stream_write(stream, (const uint8_t *)"ahoy\n", 5, -1, &written, NULL) == BARQUE_OK);
    CHECK(written == 5);
    CHECK(barque_stream_write(stream, NULL, 0, 0, &written, NULL) == BARQUE_OK && written == 0);
    CHECK(barque_stream_write(stream, (const uint8_t *)"x", SIZE_MAX, 0, &written, NULL) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(barque_stream_close_input(stream, NULL) == BARQUE_OK);
    drain(stream, out, sizeof out, document);
    CHECK_STR(out, "ahoy\n");
    CHECK(strstr(document, "\"Reason\":\"exited\"") != NULL);
    barque_stream_free(stream);

    /* A life in steps. */
    CHECK(barque_engine_open(argv[1], argv[2], &engine, NULL) == BARQUE_OK);
    id = created("web", "sleep", "100");
    CHECK(barque_container_wait(engine, id, "next-exit", 0, NULL, &code, NULL, NULL) == BARQUE_TIMEOUT);
    CHECK(code == -1);
    CHECK(barque_container_start(engine, id, NULL, NULL) == BARQUE_OK);
    CHECK(barque_container_start(engine, id, NULL, NULL) == BARQUE_ERR_NOT_MODIFIED);
    CHECK(barque_container_list(engine, NULL, NULL, &text, NULL) == BARQUE_OK);
    CHECK(barque_doc_parse(text, &list, NULL) == BARQUE_OK);
    CHECK(barque_doc_count(list, "", &count, NULL) == BARQUE_OK && count == 1);
    barque_string_free(text);
    barque_doc_free(list);
    CHECK(barque_container_inspect(engine, "web", NULL, &text, NULL) == BARQUE_OK);
    CHECK(strstr(text, "\"com.example.role\":\"db\"") != NULL && strstr(text, "\"Running\":true") != NULL);
    barque_string_free(text);
    CHECK(barque_container_remove(engine, "web", 0, NULL, &err) == BARQUE_ERR_CONFLICT);
    barque_error_free(err);
    CHECK(barque_container_remove(engine, "web", 64, NULL, NULL) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK(barque_container_stop(engine, "web", 0, NULL, NULL, NULL) == BARQUE_OK);
    CHECK(barque_container_wait(engine, "web", NULL, -1, NULL, &code, &text, NULL) == BARQUE_OK);
    CHECK(code == 137 && strstr(text, "\"StatusCode\":137") != NULL);
    barque_string_free(text);
    CHECK(barque_container_kill(engine, "web", "TERM", NULL, NULL) == BARQUE_ERR_CONFLICT);
    CHECK(barque_container_remove(engine, "web", BARQUE_REMOVE_FORCE, NULL, NULL) == BARQUE_OK);
    barque_string_free(id);

    /* A reader that waits is cancelled from another thread, and the container goes on. */
    id = created("quiet", "sleep", "100");
    CHECK(barque_container_start(engine, id, NULL, NULL) == BARQUE_OK);
    for (round = 0; round < 2; round++) {
        CHECK((round == 0 ? barque_container_attach(engine, "{\"Id\":\"quiet\"}", NULL, &stream, NULL)
                          : barque_container_logs(engine, "{\"Id\":\"quiet\",\"Follow\":true}", NULL, &stream, NULL)) ==
              BARQUE_OK);
        CHECK(pthread_create(&thread, NULL, cancel_soon, stream) == 0);
        CHECK(barque_stream_next(stream, -1, &err) == BARQUE_ERR_CANCELLED);
        barque_error_free(err);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(barque_stream_next(stream, -1, NULL) == BARQUE_DONE);
        barque_stream_free(stream);
    }
    cancelled_at_every_time(id);
    code = barque_container_remove(engine, id, BARQUE_REMOVE_FORCE, NULL, &err);
    CHECK_STR(code == BARQUE_OK ? "" : barque_error_json(err), "");
    barque_string_free(id);

    /* Images. */
    CHECK(barque_image_tag(engine, "hello", "greeting:1", NULL, NULL) == BARQUE_OK);
    CHECK(barque_image_inspect(engine, "greeting:1", NULL, &text, NULL) == BARQUE_OK);
    CHECK(strstr(text, "greeting:1") != NULL);
    barque_string_free(text);
    CHECK(barque_image_history(engine, "greeting:1", NULL, &text, NULL) == BARQUE_OK);
    barque_string_free(text);
    CHECK(barque_image_remove(engine, "greeting:1", 0, NULL, &text, NULL) == BARQUE_OK);
    CHECK(strstr(text, "\"Untagged\":\"greeting:1\"") != NULL);
    barque_string_free(text);
    CHECK(barque_image_load_fd(engine, -1, NULL, &text, NULL) < 0);
    CHECK(barque_image_load(engine, "/nowhere", NULL, &text, &err) == BARQUE_ERR_NOT_FOUND);
    barque_error_free(err);
    barque_engine_free(engine);
    return 0;
}
