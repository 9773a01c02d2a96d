/* 64 threads on the same handles, while another frees them. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 64, ROUNDS = 200 };

static barque_doc *doc;
static barque_cancel *cancel;

static void *worker(void *argument)
{
    int i;
    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        barque_error *err = NULL;
        int64_t number = -1;
        int code = barque_doc_get_int(doc, "n", &number, &err);
        /* It is there, or it was freed: nothing between. */
        CHECK((code == BARQUE_OK && number == 5) || code == BARQUE_ERR_INVALID_ARGUMENT);
        barque_error_free(err);
        barque_cancel_trigger(cancel);
        if (i == ROUNDS / 2) {
            barque_doc_free(doc);
            barque_cancel_free(cancel);
        }
    }
    return NULL;
}

/* An engine that is freed while others are inside calls on it. */
static barque_engine *engine;

static void *caller(void *argument)
{
    int i;
    (void)argument;
    for (i = 0; i < 20; i++) {
        barque_error *err = NULL;
        char *out = NULL;
        int code = barque_container_list(engine, NULL, NULL, &out, &err);
        CHECK(code == BARQUE_OK || code == BARQUE_ERR_INVALID_ARGUMENT);
        CHECK_STR(code == BARQUE_OK ? out : barque_error_reason(err), code == BARQUE_OK ? "[]" : "bad_handle");
        barque_string_free(out);
        barque_error_free(err);
        if (i == 15)
            barque_engine_free(engine);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    pthread_attr_t small;
    int i;

    CHECK(pthread_attr_init(&small) == 0);
    CHECK(pthread_attr_setstacksize(&small, 64 << 10) == 0); /* as little as musl and some hosts give */
    doc = barque_doc_new();
    CHECK(barque_doc_set_int(doc, "n", 5, NULL) == BARQUE_OK);
    CHECK(barque_cancel_new(&cancel, NULL) == BARQUE_OK);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], &small, worker, NULL) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);

    CHECK(argc == 3 && barque_engine_open(argv[1], argv[2], &engine, NULL) == BARQUE_OK);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, caller, NULL) == 0);
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(barque_engine_open(argv[1], argv[2], &engine, NULL) == BARQUE_OK);
    barque_engine_free(engine);
    return 0;
}
