/* A host whose memory ends: an allocator that fails, once or from then on, while the library works for it.
 *
 *     memory CALL HOW NUMBER REPORT-FILE ENGINE-ROOT RUN-DIRECTORY
 *
 * CALL is what the library is asked for: open, create, run or remove. HOW is "count" (nothing fails, and the report is how many
 * allocations the call made), "once" (the allocation of that NUMBER fails), "since" (it and all after it) or "limit" (setrlimit(2)
 * leaves NUMBER bytes of address space more than there are in use). The report of the others is how the call ended. */

#include <barque.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* glibc's own, which malloc(3) and its like are other names of. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_long made, fails_from = -1, fails_to = -1;

static int fails(void) {
  long number = atomic_fetch_add(&made, 1);
  if (number < atomic_load(&fails_from) || number >= atomic_load(&fails_to)) return 0;
  errno = ENOMEM;
  return 1;
}

/* A program's own definitions are those of every library in it (malloc(3), "Replacing malloc" in glibc's manual). */
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **out, size_t alignment, size_t size) {
  void *block = memalign(alignment, size);
  if (!block) return ENOMEM;
  *out = block;
  return 0;
}

static unsigned long in_use(void) {
  char text[64] = "";
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (read(file, text, sizeof text - 1) < 0) _exit(96);
  close(file);
  return strtoul(text, NULL, 10) * (unsigned long)sysconf(_SC_PAGESIZE);
}

static void begin(const char *how, long number) {
  if (!strcmp(how, "limit")) {
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = in_use() + (unsigned long)number;
    if (setrlimit(RLIMIT_AS, &limit)) _exit(96);
  }
  atomic_store(&made, 0);
  if (!strcmp(how, "once")) atomic_store(&fails_to, number + 1);
  if (!strcmp(how, "since")) atomic_store(&fails_to, __LONG_MAX__);
  if (strcmp(how, "count") && strcmp(how, "limit")) atomic_store(&fails_from, number);
}

static long end(void) {
  long all = atomic_load(&made);
  atomic_store(&fails_from, -1);
  atomic_store(&fails_to, -1);
  struct rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_AS, &limit)) _exit(96);
  return all;
}

static const char create[] =
    "{\"Name\":\"c\",\"Image\":\"testbox\",\"Cmd\":[\"exit\",\"7\"],\"HostConfig\":{\"NetworkMode\":\"none\"}}";
static const char run[] =
    "{\"Create\":{\"Name\":\"c\",\"Image\":\"testbox\",\"Cmd\":[\"exit\",\"7\"],\"HostConfig\":{\"NetworkMode\":\"none\"}}}";

int main(int argc, char **argv) {
  if (argc != 7) return 97;
  const char *call = argv[1], *how = argv[2];
  long number = atol(argv[3]);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  int report = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  barque_engine *engine = NULL;
  barque_error *err = NULL;
  barque_output *output = NULL;
  char *text = NULL;
  int code = BARQUE_OK, opens = !strcmp(call, "open");
  if (!opens && barque_engine_open(argv[5], argv[6], &engine, &err)) return 95;
  begin(how, number);
  if (opens) code = barque_engine_open(argv[5], argv[6], &engine, &err);
  if (!strcmp(call, "create")) code = barque_container_create(engine, create, NULL, &text, &err);
  if (!strcmp(call, "run")) code = barque_container_run(engine, run, 1 << 16, NULL, &output, &err);
  if (!strcmp(call, "remove")) code = barque_container_remove(engine, "c", BARQUE_REMOVE_FORCE, NULL, &err);
  long all = end();
  if (!strcmp(how, "count"))
    dprintf(report, "%ld", all);
  else if (code != BARQUE_OK)
    dprintf(report, "%d %s", code, barque_error_message(err));
  else if (output)
    dprintf(report, "exit code %d", barque_output_exit_code(output));
  else
    dprintf(report, "done");
  /* What failed does not spoil what is left: the same process goes on with the same engine. */
  char *list = NULL;
  if (engine && barque_container_list(engine, NULL, NULL, &list, NULL)) dprintf(report, ", and no list afterwards");
  barque_string_free(list);
  barque_string_free(text);
  barque_output_free(output);
  barque_error_free(err);
  barque_engine_free(engine);
  return 0;
}
