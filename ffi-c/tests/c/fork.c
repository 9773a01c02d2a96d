/* fork(2): the child of a process with an open engine is refused everything, and does no harm; the parent goes on. */
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static const char *root, *run;

static int child_of_an_open_engine(barque_engine *engine, barque_doc *doc)
{
    barque_error *err = NULL;
    barque_engine *second = NULL;
    barque_doc *fresh;
    char *out = NULL;

    CHECK(barque_container_list(engine, NULL, NULL, &out, &err) == BARQUE_ERR_CONFLICT);
    CHECK_STR(barque_error_reason(err), "forked");
    barque_error_free(err);
    CHECK(barque_engine_open(root, run, &second, NULL) == BARQUE_ERR_CONFLICT);
    CHECK(barque_doc_json(doc) == NULL);
    fresh = barque_doc_new(); /* what needs no engine works */
    CHECK_STR(barque_doc_json(fresh), "{}");
    barque_doc_free(fresh);
    barque_engine_free(engine);
    return 0;
}

static int child_of_a_closed_engine(void)
{
    barque_engine *engine = NULL;
    CHECK(barque_engine_open(root, run, &engine, NULL) == BARQUE_OK);
    barque_engine_free(engine);
    return 0;
}

static void await(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    barque_engine *engine = NULL;
    barque_doc *doc = barque_doc_new();
    barque_error *err = NULL;
    pid_t child;
    char *out = NULL;
    int code;

    CHECK(argc == 3);
    root = argv[1];
    run = argv[2];
    CHECK(barque_engine_open(root, run, &engine, NULL) == BARQUE_OK);
    child = fork();
    if (child == 0)
        exit(child_of_an_open_engine(engine, doc)); /* exit(3) and not _exit(2): its handlers run too */
    await(child);

    code = barque_container_list(engine, NULL, NULL, &out, &err);
    CHECK(code != BARQUE_ERR_CONFLICT && code != BARQUE_ERR_INVALID_ARGUMENT);
    barque_error_free(err);
    barque_string_free(out);
    barque_engine_free(engine);
    CHECK_STR(barque_doc_json(doc), "{}");
    barque_doc_free(doc);

    child = fork();
    if (child == 0)
        exit(child_of_a_closed_engine());
    await(child);
    return 0;
}
