#include "daemon/ops/file_mode.h"

#include "tests/unit/testing.h"

namespace cairn::ops {
namespace {

uint32_t Apply(const std::string& text, uint32_t mode, bool is_directory = false) {
  const auto parsed = FileMode::Parse(text);
  return parsed.ok() ? parsed->Apply(mode, is_directory) : 0xffff;
}

TEST(FileModeTest, OctalReplacesAllBits) {
  EXPECT_EQ(Apply("0755", 0600), 0755u);
  EXPECT_EQ(Apply("4711", 01644), 04711u);
}

TEST(FileModeTest, SymbolsAddRemoveAndSet) {
  EXPECT_EQ(Apply("u+x", 0644), 0744u);
  EXPECT_EQ(Apply("go-rwx", 0755), 0700u);
  EXPECT_EQ(Apply("a=r", 0755), 0444u);
  EXPECT_EQ(Apply("+x", 0644), 0755u);
  EXPECT_EQ(Apply("u=rw,go=r", 0777), 0644u);
  EXPECT_EQ(Apply("u+x-w", 0644), 0544u);
}

TEST(FileModeTest, CapitalXIsForDirectoriesAndPrograms) {
  EXPECT_EQ(Apply("a+X", 0644), 0644u);
  EXPECT_EQ(Apply("a+X", 0744), 0755u);
  EXPECT_EQ(Apply("a+X", 0644, true), 0755u);
}

TEST(FileModeTest, SpecialBitsAndCopies) {
  EXPECT_EQ(Apply("u+s", 0755), 04755u);
  EXPECT_EQ(Apply("g+s", 0755), 02755u);
  EXPECT_EQ(Apply("+t", 0755), 01755u);
  EXPECT_EQ(Apply("g=u", 0740), 0770u);
}

// chmod(1) of the GNU tools left setgid of a directory alone, cleared the sticky bit and asked what
// the clause before had made of the execute bits: images then differed from BuildKit's.
TEST(FileModeTest, FollowsSetmodeWhereTheGrammarSaysNothing) {
  EXPECT_EQ(Apply("a=rX", 02755, true), 0555u);
  EXPECT_EQ(Apply("a=rX", 07777, true), 01555u);
  EXPECT_EQ(Apply("a=rX", 01644), 01444u);
  EXPECT_EQ(Apply("u=rwx,g+s,o-w,a+X", 0644), 02744u);
  EXPECT_EQ(Apply("u+s,+t", 0755, true), 05755u);
  EXPECT_EQ(Apply("o+st", 0755), 0755u);
  EXPECT_EQ(Apply("g=u,o=", 0640), 0660u);
  EXPECT_EQ(Apply("go=u-w", 0755), 0755u);
  EXPECT_EQ(Apply("g=ux", 0640), 0610u);
}

TEST(FileModeTest, RefusesWhatIsNoMode) {
  for (const char* text : {"", "99", "u", "u+q", "x+", "17777", "u+x,"}) {
    EXPECT_FALSE(FileMode::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::ops
