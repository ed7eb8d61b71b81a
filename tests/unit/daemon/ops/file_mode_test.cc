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

TEST(FileModeTest, RefusesWhatIsNoMode) {
  for (const char* text : {"", "99", "u", "u+q", "x+", "17777", "u+x,"}) {
    EXPECT_FALSE(FileMode::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::ops
