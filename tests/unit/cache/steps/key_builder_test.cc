#include <set>

#include "cache/steps/step_table.h"
#include "tests/unit/testing.h"

namespace cairn::steps {
namespace {

// A change of this text changes every step key: all caches miss once. Only on purpose.
TEST(KeyBuilderTest, PreimageReadsAsItAlwaysDid) {
  KeyBuilder key("exec 1");
  key.Add("arg", "sh").Add("arg", "-c").Add("arg", "echo 'a\tb'\necho \\done");
  key.Add("env", "NAME=Zoë").Add("input", Digest::Of("tree")).AddNumber("uid", -1);
  key.Add("with space", "");
  EXPECT_EQ(key.text(),
            "step exec 1\n"
            "arg sh\n"
            "arg -c\n"
            "arg echo 'a\\x09b'\\necho \\\\done\n"
            "env NAME=Zoë\n"
            "input sha256:dc9c5edb8b2d479e697b4b0b8ab874f32b325138598ce9e7b759eb8292110622\n"
            "uid -1\n"
            "with\\x20space \n");
  EXPECT_EQ(key.key(), Digest::Of(key.text()));
}

TEST(KeyBuilderTest, DifferentListsNeverShareAText) {
  const std::vector<std::vector<std::pair<std::string, std::string>>> lists = {
      {{"arg", "a b"}},
      {{"arg", "a"}, {"arg", "b"}},
      {{"arg", "a\narg b"}},
      {{"arg", "a\\narg b"}},
      {{"arg a", "b"}},
      {{"arg\\x20a", "b"}},
      {{"arg", "a"}, {"arg", ""}, {"arg", "b"}},
      {{"arg", std::string("a\0b", 3)}},
      {{"arg", "a\\x00b"}},
      {{"arg", ""}},
      {},
  };
  std::set<std::string> texts;
  for (const auto& list : lists) {
    KeyBuilder key("exec 1");
    for (const auto& [name, value] : list) {
      key.Add(name, value);
    }
    EXPECT_TRUE(texts.insert(key.text()).second) << key.text();
  }
}

}  // namespace
}  // namespace cairn::steps
