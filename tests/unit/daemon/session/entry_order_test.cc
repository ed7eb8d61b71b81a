#include "daemon/session/entry_order.h"

#include <sys/stat.h>

#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

FileStat File(const std::string& path) {
  FileStat stat;
  stat.path = path;
  stat.mode = S_IFREG | 0644;
  return stat;
}

FileStat Directory(const std::string& path) {
  FileStat stat = File(path);
  stat.mode = S_IFDIR | 0755;
  return stat;
}

FileStat HardLink(const std::string& path, const std::string& target) {
  FileStat stat = File(path);
  stat.link_name = target;
  stat.hard_link = true;
  return stat;
}

Status AddAll(const std::vector<FileStat>& stats) {
  EntryOrder order;
  for (const FileStat& stat : stats) {
    RETURN_IF_ERROR(order.Add(stat));
  }
  return absl::OkStatus();
}

TEST(EntryOrderTest, AcceptsATreeWhoseDirectoriesAreFollowedByTheirEntries) {
  EXPECT_OK(AddAll({Directory("a"), Directory("a/b"), File("a/b/c"), File("a/d"), File("a.txt"),
                    Directory("e"), HardLink("e/f", "a/d")}));
}

TEST(EntryOrderTest, RefusesPathsThatAreNotClean) {
  for (const char* path : {"", "/a", "a/", "a//b", "./a", "..", "a/../b", "../a", "."}) {
    EXPECT_THAT(AddAll({Directory("a"), File(path)}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("clean")))
        << path;
  }
  EXPECT_FALSE(AddAll({File(std::string("a\0b", 3))}).ok());
  EXPECT_FALSE(AddAll({File(std::string(256, 'x'))}).ok());
}

TEST(EntryOrderTest, RefusesEntriesBelowWhatIsNoDirectory) {
  FileStat link = File("a");
  link.mode = S_IFLNK | 0777;
  link.link_name = "/etc";

  EXPECT_THAT(AddAll({link, File("a/passwd")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("parent")));
  EXPECT_FALSE(AddAll({File("a"), File("a/b")}).ok());
  EXPECT_FALSE(AddAll({File("a/b")}).ok());
}

TEST(EntryOrderTest, RefusesRepeatedAndUnorderedEntries) {
  EXPECT_FALSE(AddAll({File("a"), File("a")}).ok());
  EXPECT_FALSE(AddAll({File("b"), File("a")}).ok());
  EXPECT_FALSE(AddAll({Directory("a"), Directory("a")}).ok());
  // Back into a directory that was left.
  EXPECT_FALSE(AddAll({Directory("a"), File("b"), File("a/c")}).ok());
}

TEST(EntryOrderTest, RefusesHardLinksToWhatWasNotSent) {
  EXPECT_FALSE(AddAll({HardLink("a", "b"), File("b")}).ok());
  EXPECT_FALSE(AddAll({HardLink("a", "../../etc/passwd")}).ok());
  EXPECT_FALSE(AddAll({Directory("d"), HardLink("e", "d")}).ok());
  EXPECT_FALSE(AddAll({HardLink("a", "a")}).ok());
}

}  // namespace
}  // namespace cairn::session
