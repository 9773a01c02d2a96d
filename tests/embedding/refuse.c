/* A program whose system calls of one kind are refused.
 *
 *     refuse CALL ERRNO PROGRAM ARGUMENT... */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int number_of(const char *name) {
  static const struct {
    const char *name;
    int number;
  } calls[] = {{"openat2", SYS_openat2},         {"clone3", SYS_clone3},
               {"pidfd_open", SYS_pidfd_open},   {"close_range", SYS_close_range},
               {"fsopen", SYS_fsopen},           {"open_tree", SYS_open_tree},
               {"mount_setattr", SYS_mount_setattr}, {"memfd_create", SYS_memfd_create}};
  for (size_t n = 0; n < sizeof calls / sizeof *calls; n++)
    if (!strcmp(calls[n].name, name)) return calls[n].number;
  return -1;
}

int main(int argc, char **argv) {
  if (argc < 4) return 97;
  int call = number_of(argv[1]);
  unsigned refusal = !strcmp(argv[2], "EPERM") ? EPERM : ENOSYS;
  if (call < 0) return 96;
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof program / sizeof *program, program};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) return 95;
  execv(argv[3], argv + 3);
  return 94;
}
