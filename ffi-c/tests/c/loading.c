/* dlopen(3), use, dlclose(3), again, before main and after it has returned. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct barque_doc barque_doc;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

static void use(void)
{
    void *library = dlopen("libbarque.so.0", RTLD_NOW | RTLD_LOCAL);
    barque_doc *(*make)(void);
    const char *(*json)(const barque_doc *);
    void (*release)(barque_doc *);
    barque_doc *doc;

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    /* The form of the assignment is POSIX's (dlsym, APPLICATION USAGE). */
    *(void **)&make = symbol(library, "barque_doc_new");
    *(void **)&json = symbol(library, "barque_doc_json");
    *(void **)&release = symbol(library, "barque_doc_free");
    doc = make();
    if (strcmp(json(doc), "{}") != 0)
        exit(1);
    release(doc);
    dlclose(library);
}

/* Before main, where a plugin of the host's may be. */
static void __attribute__((constructor)) early(void)
{
    use();
}

int main(void)
{
    int i;
    for (i = 0; i < 3; i++)
        use();
    return atexit(use) != 0;
}
