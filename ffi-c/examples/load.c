/* Load images from an archive (docker save, podman save, skopeo) or an OCI layout directory, and list what there is.
 *
 *     cc load.c $(pkg-config --cflags --libs barque) -o load
 *     ./load ARCHIVE
 */
#include <barque.h>
#include <stdio.h>

static int fail(barque_error *err)
{
    /* Codes are for programs, reasons tell cases of one code apart, messages are for people. */
    fprintf(stderr, "load: %s (%s)\n", barque_error_message(err), barque_error_reason(err));
    barque_error_free(err);
    return 1;
}

int main(int argc, char **argv)
{
    barque_engine *engine = NULL;
    barque_error *err = NULL;
    barque_doc *images = NULL;
    char *answer = NULL;
    size_t count = 0, i;

    if (argc != 2) {
        fprintf(stderr, "usage: load ARCHIVE\n");
        return 125;
    }
    if (barque_engine_open(NULL, NULL, &engine, &err) != BARQUE_OK)
        return fail(err);
    if (barque_image_load(engine, argv[1], NULL, &answer, &err) != BARQUE_OK) {
        barque_engine_free(engine);
        return fail(err);
    }
    barque_string_free(answer);

    if (barque_image_list(engine, NULL, NULL, &answer, &err) != BARQUE_OK ||
        barque_doc_parse(answer, &images, &err) != BARQUE_OK ||
        barque_doc_count(images, "", &count, &err) != BARQUE_OK) {
        barque_engine_free(engine);
        return fail(err);
    }
    for (i = 0; i < count; i++) {
        char path[64];
        char *name = NULL;
        int64_t size = 0;

        snprintf(path, sizeof path, "%lu.RepoTags.0", (unsigned long)i);
        if (barque_doc_get_str(images, path, &name, NULL) != BARQUE_OK)
            continue; /* it has no name */
        snprintf(path, sizeof path, "%lu.Size", (unsigned long)i);
        barque_doc_get_int(images, path, &size, NULL);
        printf("%-40s %10ld bytes\n", name, (long)size);
        barque_string_free(name);
    }
    barque_string_free(answer);
    barque_doc_free(images);
    barque_engine_free(engine);
    return 0;
}
