#include "daemon/session/file_stat.h"

#include <sys/stat.h>

#include "proto/fs_stat.pb.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

TEST(FileStatTest, GoModesBecomeStModesAndBack) {
  const std::pair<uint32_t, mode_t> modes[] = {
      {0644, S_IFREG | 0644},
      {0x80000000U | 0755, S_IFDIR | 0755},
      {(1U << 27) | 0777, S_IFLNK | 0777},
      {(1U << 26) | 0600, S_IFBLK | 0600},
      {(1U << 26) | (1U << 21) | 0600, S_IFCHR | 0600},
      {(1U << 25) | 0600, S_IFIFO | 0600},
      {(1U << 24) | 0600, S_IFSOCK | 0600},
      {(1U << 23) | 0755, S_IFREG | S_ISUID | 0755},
      {0x80000000U | (1U << 22) | (1U << 20) | 0775, S_IFDIR | S_ISGID | S_ISVTX | 0775},
  };
  for (const auto& [go_mode, st_mode] : modes) {
    EXPECT_EQ(ToStMode(go_mode), st_mode);
    EXPECT_EQ(ToGoMode(st_mode), go_mode);
  }
}

TEST(FileStatTest, LinkNameOfARegularFileMakesAHardLink) {
  fsutil::types::Stat wire;
  wire.set_path("b");
  wire.set_mode(0644);
  wire.set_linkname("a");
  EXPECT_TRUE(FromWire(wire).hard_link);

  wire.set_mode((1U << 27) | 0777);
  EXPECT_FALSE(FromWire(wire).hard_link);
}

TEST(FileStatTest, EverythingSurvivesTheWire) {
  FileStat stat;
  stat.path = "d/n";
  stat.mode = S_IFCHR | 0660;
  stat.uid = 1;
  stat.gid = 2;
  stat.size = 3;
  stat.mtime_ns = 4;
  stat.dev_major = 5;
  stat.dev_minor = 6;
  stat.xattrs = {{"user.a", std::string("\0b", 2)}};

  fsutil::types::Stat wire;
  ToWire(stat, &wire);

  EXPECT_EQ(FromWire(wire), stat);
}

}  // namespace
}  // namespace cairn::session
