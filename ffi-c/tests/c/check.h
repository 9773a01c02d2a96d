/* What the test programs check with. */
#include "barque.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim)                                                                   \
    do {                                                                               \
        if (!(claim)) {                                                                \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #claim);      \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

#define CHECK_STR(got, wanted)                                                         \
    do {                                                                               \
        const char *got_ = (got);                                                      \
        if (got_ == NULL || strcmp(got_, wanted) != 0) {                               \
            fprintf(stderr, "%s:%d: got '%s', wanted '%s'\n", __FILE__, __LINE__,      \
                    got_ == NULL ? "NULL" : got_, wanted);                             \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)
