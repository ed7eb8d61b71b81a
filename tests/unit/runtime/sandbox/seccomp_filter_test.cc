#include "runtime/sandbox/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>

#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kMissing = SECCOMP_RET_ERRNO | ENOSYS;

#if defined(__x86_64__)
constexpr uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

class SeccompFilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(filter_, CompileSeccompFilter(DefaultSeccompProfile()));
  }
  uint32_t Decide(uint32_t number, uint64_t first = 0, uint32_t architecture = kNative) const {
    SyscallView call;
    call.architecture = architecture;
    call.number = number;
    call.arguments[0] = first;
    const StatusOr<uint32_t> decision = EvaluateSeccompFilter(filter_, call);
    EXPECT_OK(decision);
    return *decision;
  }
  std::string filter_;
};

TEST_F(SeccompFilterTest, OrdinaryCallsAreAllowed) {
  for (const uint32_t number : {SYS_read, SYS_write, SYS_openat, SYS_execve, SYS_chroot, SYS_ptrace,
                                SYS_mknodat, SYS_setresuid, SYS_seccomp, SYS_openat2}) {
    EXPECT_EQ(Decide(number), kAllow) << number;
  }
}

TEST_F(SeccompFilterTest, AdministrationIsDenied) {
  for (const uint32_t number : {SYS_mount,
                                SYS_umount2,
                                SYS_unshare,
                                SYS_setns,
                                SYS_bpf,
                                SYS_keyctl,
                                SYS_add_key,
                                SYS_request_key,
                                SYS_userfaultfd,
                                SYS_perf_event_open,
                                SYS_open_by_handle_at,
                                SYS_kexec_load,
                                SYS_reboot,
                                SYS_init_module,
                                SYS_io_uring_setup,
                                SYS_io_uring_enter,
                                SYS_move_mount,
                                SYS_fsopen,
                                SYS_open_tree,
                                SYS_settimeofday,
                                SYS_pivot_root,
                                SYS_swapon,
                                SYS_acct}) {
    EXPECT_EQ(Decide(number), kDeny) << number;
  }
}

TEST_F(SeccompFilterTest, NewNamespacesAreDenied) {
  EXPECT_EQ(Decide(SYS_clone, CLONE_VM | CLONE_THREAD), kAllow);
  for (const uint64_t flag : {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUTS,
                              CLONE_NEWIPC, CLONE_NEWCGROUP}) {
    EXPECT_EQ(Decide(SYS_clone, flag | SIGCHLD), kDeny) << flag;
  }
  EXPECT_EQ(Decide(SYS_clone3), kMissing);
}

TEST_F(SeccompFilterTest, DangerousSocketFamiliesAreDenied) {
  for (const uint64_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, 39, 41, 44}) {
    EXPECT_EQ(Decide(SYS_socket, family), kAllow) << family;
  }
  EXPECT_EQ(Decide(SYS_socket, AF_ALG), kDeny);
  EXPECT_EQ(Decide(SYS_socket, AF_VSOCK), kDeny);
}

TEST_F(SeccompFilterTest, PersonalitiesAreTheHarmlessOnes) {
  for (const uint64_t value : {0x0, 0x8, 0x20000, 0x20008}) {
    EXPECT_EQ(Decide(SYS_personality, value), kAllow) << value;
  }
  EXPECT_EQ(Decide(SYS_personality, 0xffffffff), kAllow);
  EXPECT_EQ(Decide(SYS_personality, 0x0040000), kDeny);
}

TEST_F(SeccompFilterTest, CallsNewerThanTheProfileAreMissing) {
  EXPECT_EQ(Decide(452), kAllow);  // fchmodat2
  EXPECT_EQ(Decide(460), kDeny);   // lsm_set_self_attr
  EXPECT_EQ(Decide(467), kMissing);
  EXPECT_EQ(Decide(9999), kMissing);
}

#if defined(__x86_64__)
TEST_F(SeccompFilterTest, CompatibilityTablesHaveTheirOwnNumbers) {
  EXPECT_EQ(Decide(21, 0, AUDIT_ARCH_I386), kDeny);           // mount
  EXPECT_EQ(Decide(5, 0, AUDIT_ARCH_I386), kAllow);           // open
  EXPECT_EQ(Decide(359, AF_ALG, AUDIT_ARCH_I386), kDeny);     // socket
  EXPECT_EQ(Decide(0x40000000 | SYS_getpid, 0), kAllow);      // x32
  EXPECT_EQ(Decide(0x40000000 | SYS_mount, 0), kDeny);        // x32
  EXPECT_EQ(Decide(SYS_read, 0, AUDIT_ARCH_AARCH64), kDeny);  // foreign
}
#endif

TEST_F(SeccompFilterTest, ProgramIsSmall) {
  // Every step pays for its installation.
  EXPECT_LT(filter_.size() / 8, 1000);
}

}  // namespace
}  // namespace cairn::sandbox
