#include "media_helper/confine.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

namespace runnel::media_helper {
namespace {

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

// Adds to a filter, remembering the first failure.
class Rules {
 public:
  explicit Rules(std::uint32_t otherwise) : filter_(seccomp_init(otherwise), &seccomp_release) {
    if (!filter_) {
      fail(ENOMEM);
      return;
    }
    note(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_TSYNC, 1));  // all threads, also those that run already
  }
  // Calls that this architecture does not have are numbered below zero; the library skips them.
  void add(std::uint32_t action, std::initializer_list<int> calls) {
    for (const int call : calls) {
      if (filter_) note(seccomp_rule_add(filter_.get(), action, call, 0));
    }
  }
  void add_if(std::uint32_t action, int call, scmp_arg_cmp compare) {
    if (filter_) note(seccomp_rule_add_array(filter_.get(), action, call, 1, &compare));
  }
  std::expected<void, std::string> load() {
    if (failed_ == 0) note(seccomp_load(filter_.get()));
    if (failed_ != 0)
      return std::unexpected{std::string{"the kernel does not let the media helper confine itself (seccomp): "} + std::strerror(failed_)};
    return {};
  }

 private:
  void note(int result) {
    if (result < 0) fail(-result);
  }
  void fail(int error) {
    if (failed_ == 0) failed_ = error;
  }
  int failed_ = 0;
  Filter filter_;
};

constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

// Threads yes, processes no. clone3 keeps its flags in memory, where a filter cannot see them: with ENOSYS the C library
// falls back to clone.
void allow_threads_only(Rules& rules) {
  rules.add(SCMP_ACT_ERRNO(ENOSYS), {SCMP_SYS(clone3)});
  rules.add_if(SCMP_ACT_ALLOW, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

std::expected<void, std::string> confine_closed() {
  Rules rules{kRefuse};
  // Pipes lead nowhere; sanitizers probe memory with them.
  rules.add(SCMP_ACT_ALLOW, {SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(lseek),
                             SCMP_SYS(close), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(shutdown), SCMP_SYS(pipe), SCMP_SYS(pipe2),
                             SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx)});
  rules.add(SCMP_ACT_ALLOW, {SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
                             SCMP_SYS(membarrier)});
  rules.add(SCMP_ACT_ALLOW,
            {SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(gettid),
             SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity),
             SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu), SCMP_SYS(exit), SCMP_SYS(exit_group)});
  rules.add(SCMP_ACT_ALLOW,
            {SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
             SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getrusage), SCMP_SYS(times)});
  rules.add(SCMP_ACT_ALLOW, {SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
                             SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigtimedwait)});
  rules.add_if(SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
  rules.add_if(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_GETFL));
  allow_threads_only(rules);
  return rules.load();
}

std::expected<void, std::string> confine_network() {
  Rules rules{SCMP_ACT_ALLOW};
  rules.add(kRefuse, {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
                      SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill), SCMP_SYS(tkill)});
  rules.add(kRefuse,
            {SCMP_SYS(creat),    SCMP_SYS(truncate),  SCMP_SYS(ftruncate), SCMP_SYS(unlink),    SCMP_SYS(unlinkat), SCMP_SYS(rename),
             SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link),      SCMP_SYS(linkat),    SCMP_SYS(symlink),  SCMP_SYS(symlinkat),
             SCMP_SYS(mkdir),    SCMP_SYS(mkdirat),   SCMP_SYS(rmdir),     SCMP_SYS(mknod),     SCMP_SYS(mknodat),  SCMP_SYS(chmod),
             SCMP_SYS(fchmod),   SCMP_SYS(fchmodat),  SCMP_SYS(chown),     SCMP_SYS(fchown),    SCMP_SYS(lchown),   SCMP_SYS(fchownat),
             SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(utimensat), SCMP_SYS(fallocate)});
  rules.add(kRefuse, {SCMP_SYS(mount),          SCMP_SYS(umount2),     SCMP_SYS(pivot_root),      SCMP_SYS(chroot),     SCMP_SYS(unshare),
                      SCMP_SYS(setns),          SCMP_SYS(bpf),         SCMP_SYS(perf_event_open), SCMP_SYS(keyctl),     SCMP_SYS(add_key),
                      SCMP_SYS(request_key),    SCMP_SYS(init_module), SCMP_SYS(finit_module),    SCMP_SYS(kexec_load), SCMP_SYS(reboot),
                      SCMP_SYS(io_uring_setup), SCMP_SYS(userfaultfd), SCMP_SYS(setuid),          SCMP_SYS(setgid),     SCMP_SYS(setresuid),
                      SCMP_SYS(setresgid),      SCMP_SYS(capset)});
  // openat2 keeps its flags in memory: the C library does not use it.
  rules.add(SCMP_ACT_ERRNO(ENOSYS), {SCMP_SYS(openat2), SCMP_SYS(clone3)});
  for (const unsigned flag : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC}) {
    rules.add_if(kRefuse, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, flag, flag));
    rules.add_if(kRefuse, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, flag, flag));
  }
  rules.add_if(kRefuse, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  rules.add_if(kRefuse, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffff'ffffU, TIOCSTI));  // no typing into the user's terminal
  return rules.load();
}

}  // namespace

std::expected<void, std::string> confine(Confinement confinement) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  switch (confinement) {
    case Confinement::closed: return confine_closed();
    case Confinement::network: return confine_network();
  }
  return {};
}

}  // namespace runnel::media_helper
