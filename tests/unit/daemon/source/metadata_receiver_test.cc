#include "daemon/source/metadata_receiver.h"

#include <sys/stat.h>

#include <cstring>

#include "proto/fs_stat.pb.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::StartsWith;

class MetadataReceiverTest : public ops::testing::OpTest {
 protected:
  // What a transfer of these paths gives; those that end in '/' are directories, the others have
  // their path as content.
  tree::TreeRef Receive(const std::vector<std::string>& paths,
                        const std::vector<std::string>& excepted) {
    ContextReceiver contents(*trees_);
    MetadataReceiver receiver(*trees_, contents, *PatternMatcher::Create(excepted));
    for (uint32_t id = 0; id < paths.size(); ++id) {
      session::FileStat stat;
      const bool directory = paths[id].back() == '/';
      stat.path = directory ? paths[id].substr(0, paths[id].size() - 1) : paths[id];
      stat.mode = directory ? S_IFDIR | 0755 : S_IFREG | 0644;
      stat.size = directory ? 0 : static_cast<int64_t>(stat.path.size());
      const auto wanted = receiver.OnEntry(id, stat);
      EXPECT_OK(wanted.status());
      if (!directory && wanted.value_or(session::Wanted::kNothing) != session::Wanted::kNothing) {
        asked_.push_back(stat.path);
        EXPECT_OK(receiver.OnData(id, stat.path));
        EXPECT_OK(receiver.OnFileEnd(id));
      }
    }
    return *receiver.Finish();
  }

  // The paths in ".fsutil-metadata".
  std::vector<std::string> Described(const tree::TreeRef& tree) {
    const auto found = tree::Lookup(*trees_, tree, ".fsutil-metadata", false);
    EXPECT_OK(found.status());
    const std::string text = *blobs_->Read(*found->entry.file);
    std::vector<std::string> paths;
    for (size_t at = 0; at + 4 <= text.size();) {
      uint32_t size = 0;
      std::memcpy(&size, text.data() + at, 4);  // little-endian, as this machine
      fsutil::types::Stat stat;
      EXPECT_TRUE(stat.ParseFromString(text.substr(at + 4, size)));
      paths.push_back(stat.path());
      at += 4 + size;
    }
    return paths;
  }

  std::vector<std::string> asked_;
};

TEST_F(MetadataReceiverTest, AllAreDescribedAndFewAreFetched) {
  const tree::TreeRef tree = Receive({"data", "dir/", "dir/file1", "dir/file2", "dir/sub/",
                                      "dir/sub/bar1", "dir/sub2/", "dir/sub2/bar3", "foo"},
                                     {"dir/**/*1", "foo"});

  EXPECT_THAT(asked_, ElementsAre("dir/file1", "dir/sub/bar1", "foo"));
  EXPECT_THAT(Describe(tree),
              ElementsAre(StartsWith("file .fsutil-metadata 644 0:0"), "dir dir 755 0:0",
                          "file dir/file1 644 0:0 dir/file1", "dir dir/sub 755 0:0",
                          "file dir/sub/bar1 644 0:0 dir/sub/bar1", "file foo 644 0:0 foo"));
  EXPECT_THAT(Described(tree), ElementsAre("data", "dir", "dir/file1", "dir/file2", "dir/sub",
                                           "dir/sub/bar1", "dir/sub2", "dir/sub2/bar3", "foo"));
}

TEST_F(MetadataReceiverTest, NothingIsFetchedWithoutExceptions) {
  const tree::TreeRef tree = Receive({"a/", "a/b"}, {});
  EXPECT_THAT(asked_, ElementsAre());
  EXPECT_THAT(Describe(tree), ElementsAre(StartsWith("file .fsutil-metadata")));
  EXPECT_THAT(Described(tree), Contains("a/b"));
}

}  // namespace
}  // namespace cairn::source
