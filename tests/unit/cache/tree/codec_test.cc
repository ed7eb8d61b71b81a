#include "cache/tree/codec.h"

#include "absl/strings/escaping.h"
#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

// One of each kind, with everything set.
Directory Sample() {
  Directory directory;
  directory.metadata = {.mode = 0755, .uid = 1, .gid = 2, .mtime_ns = 1'500'000'000};
  directory.opaque = true;
  directory.implied = true;
  Entry device;
  device.name = "a";
  device.type = Entry::Type::kCharDevice;
  device.device = 0x103;
  Entry child;
  child.name = "b";
  child.type = Entry::Type::kDirectory;
  child.directory = TreeRef{Digest::Of("child"), Digest::Of("content"), 10, 3, 77, 4};
  Entry file;
  file.name = "c\xff";
  file.metadata = {.mode = 04755,
                   .uid = 1000,
                   .gid = 1001,
                   .mtime_ns = -1,
                   .xattrs = {{"user.k", std::string("v\0", 2)}}};
  file.file = Digest::Of("bytes");
  file.size = 5;
  file.link_group = 9;
  Entry link;
  link.name = "d";
  link.type = Entry::Type::kSymlink;
  link.metadata.mode = 0777;
  link.target = "../x";
  Entry gone;
  gone.name = "e";
  gone.type = Entry::Type::kWhiteout;
  directory.entries = {device, child, file, link, gone};
  return directory;
}

TEST(CodecTest, DecodesWhatItEncodes) {
  ASSERT_OK_AND_ASSIGN(const Directory decoded, Decode(Encode(Sample())));
  EXPECT_EQ(decoded, Sample());
}

// The stored form is for ever: stores, records and fleets hold it.
TEST(CodecTest, KeepsTheStoredForm) {
  EXPECT_EQ(absl::BytesToHexString(Encode(Sample())),
            "0a87010a0263ff12440a403237373038396439316330626466346632653638363262613765346130"
            "37363035313139343331663564313366373236646433353262303666316232303661391005200132"
            "2f121108ffffffffffffffffff0110ff93ebdc031a0308ed13c03ee807c83ee907d23e0c0a067573"
            "65722e6b12027600c13e090000000000000012750a016212440a4064646339653636393139343235"
            "34636566303139613239643336313961326331363539326535643532653161383165393862303162"
            "6435323331393134396133104dc23e20ed7002b439e9ac845f22357d822bac1444730fbdb6016d3e"
            "c9432297b9ec9f73c83e0ad03e03d83e041a120a016412042e2e2f78220712001a0308ff032a1512"
            "0808011080cab5ee011a0308ed03c03e01c83e02c23e0e0a01611001188302220412001a00ca3e01"
            "65d03e01d83e01");
}

TEST(CodecTest, KeepsTheContentForm) {
  EXPECT_EQ(ContentOf(Sample()).hex(),
            "99754d171fbeb9e704c5d8a93523359850f0f41ee78b55c6dd2d8cb129f3680c");
}

TEST(CodecTest, ContentLeavesOutTimesAndLinkGroupsOnly) {
  Directory other = Sample();
  other.metadata.mtime_ns = 7;
  other.entries[2].metadata.mtime_ns = 8;
  other.entries[2].link_group = 0;
  EXPECT_EQ(ContentOf(other), ContentOf(Sample()));
  EXPECT_NE(Encode(other), Encode(Sample()));

  other.entries[2].metadata.xattrs.clear();
  EXPECT_NE(ContentOf(other), ContentOf(Sample()));
}

TEST(CodecTest, ContentSeesOwnerAndModeOfTheDirectoryItself) {
  Directory owned = Sample();
  owned.metadata.uid = 5;
  Directory closed = Sample();
  closed.metadata.mode = 0700;
  EXPECT_NE(ContentOf(owned), ContentOf(Sample()));
  EXPECT_NE(ContentOf(closed), ContentOf(Sample()));
}

TEST(CodecTest, RefusesBadNames) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a\0b", 3), std::string(256, 'a')}) {
    Directory directory;
    directory.entries.push_back(Sample().entries[2]);
    directory.entries[0].name = name;
    EXPECT_THAT(Validate(directory),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad file name")));
    EXPECT_THAT(Decode(Encode(directory)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("name")));
  }
}

TEST(CodecTest, RefusesDoubledNamesAcrossKinds) {
  Directory directory = Sample();
  directory.entries[1].name = "a";
  EXPECT_THAT(Decode(Encode(directory)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("entry a comes after a")));
}

TEST(CodecTest, RefusesEmptyAndOverlongTargets) {
  for (const std::string& target : {std::string(), std::string(4096, 'x')}) {
    Directory directory = Sample();
    directory.entries[3].target = target;
    EXPECT_THAT(Validate(directory),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target")));
  }
}

TEST(CodecTest, RefusesWhatIsNoDirectory) {
  EXPECT_THAT(Decode("no directory"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a Directory")));
}

}  // namespace
}  // namespace cairn::tree
