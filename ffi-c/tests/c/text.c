/* Strings at the edge: a page that may not be read follows the NUL, and there may be no NUL at all. */
#include "check.h"
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), big = 20u << 20, length;
    char *pages = (char *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *heap = (char *)malloc(big);
    barque_doc *doc = barque_doc_new();
    barque_error *err = NULL;
    char *back = NULL;

    CHECK(pages != MAP_FAILED && heap != NULL);
    CHECK(mprotect(pages + page, page, PROT_NONE) == 0);
    for (length = 0; length < 300; length++) {
        char *text = pages + page - length - 1;
        memset(text, 'x', length);
        text[length] = '\0';
        CHECK(barque_doc_set_str(doc, "a", text, NULL) == BARQUE_OK);
        CHECK(barque_doc_get_str(doc, "a", &back, NULL) == BARQUE_OK);
        CHECK_STR(back, text);
        barque_string_free(back);
    }

    memset(heap, 'x', big);
    CHECK(barque_doc_set_str(doc, "a", heap, &err) == BARQUE_ERR_INVALID_ARGUMENT);
    CHECK_STR(barque_error_reason(err), "too_long");
    barque_error_free(err);
    heap[16u << 20] = '\0';
    CHECK(barque_doc_set_str(doc, "a", heap, NULL) == BARQUE_OK);

    /* Bytes that mean something to a terminal or to C are text like any other. */
    CHECK(barque_doc_set_str(doc, "a", "\x1b]0;x\x07\r\n \t", NULL) == BARQUE_OK);
    CHECK(barque_doc_get_str(doc, "a", &back, NULL) == BARQUE_OK);
    CHECK_STR(back, "\x1b]0;x\x07\r\n \t");
    barque_string_free(back);
    /* A NUL in JSON text has no place in a C string, and is shown as its symbol instead of cutting the text. */
    CHECK(barque_doc_set_json(doc, "a", "\"x\\u0000y\"", NULL) == BARQUE_OK);
    CHECK(barque_doc_get_str(doc, "a", &back, NULL) == BARQUE_OK);
    CHECK_STR(back, "x\xe2\x90\x80y");
    barque_string_free(back);
    /* Deeper than any document is. */
    memset(heap, '[', 1u << 20);
    heap[1u << 20] = '\0';
    CHECK(barque_doc_set_json(doc, "a", heap, NULL) == BARQUE_ERR_INVALID_ARGUMENT);

    barque_doc_free(doc);
    free(heap);
    munmap(pages, 2 * page);
    return 0;
}
