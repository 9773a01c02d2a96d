/* Run a command in a container and show what it wrote and how it ended.
 *
 *     cc run.c $(pkg-config --cflags --libs barque) -o run
 *     ./run IMAGE [COMMAND [ARGUMENT...]]
 */
#include <barque.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, barque_error *err)
{
    fprintf(stderr, "run: %s: %s\n", what, barque_error_message(err));
    barque_error_free(err);
    return 125;
}

int main(int argc, char **argv)
{
    barque_engine *engine = NULL;
    barque_output *output = NULL;
    barque_error *err = NULL;
    barque_doc *request;
    int code, i;

    if (argc < 2) {
        fprintf(stderr, "usage: run IMAGE [COMMAND [ARGUMENT...]]\n");
        return 125;
    }
    if (barque_engine_open(NULL, NULL, &engine, &err) != BARQUE_OK)
        return fail("open the engine", err);

    /* The field names are the Docker Engine API's. A value that is set wrong is told by name when the request is used. */
    request = barque_doc_new();
    barque_doc_set_str(request, "Create.Image", argv[1], NULL);
    for (i = 2; i < argc; i++)
        barque_doc_append_str(request, "Create.Cmd", argv[i], NULL);
    barque_doc_set_str(request, "Create.HostConfig.NetworkMode", "none", NULL);
    barque_doc_set_int(request, "Create.HostConfig.Memory", 256 << 20, NULL);
    barque_doc_set_bool(request, "Create.HostConfig.AutoRemove", 1, NULL);
    barque_doc_set_int(request, "TimeoutMs", 60 * 1000, NULL);
    barque_doc_set_bool(request, "Tied", 1, NULL);

    if (barque_container_run(engine, barque_doc_json(request), 1 << 20, NULL, &output, &err) != BARQUE_OK) {
        code = fail(argv[1], err);
    } else {
        fwrite(barque_output_stdout(output), 1, barque_output_stdout_length(output), stdout);
        fwrite(barque_output_stderr(output), 1, barque_output_stderr_length(output), stderr);
        code = barque_output_exit_code(output);
        fprintf(stderr, "run: %s with %d\n", barque_output_reason(output), code);
    }

    barque_output_free(output);
    barque_doc_free(request);
    barque_engine_free(engine);
    return code;
}
