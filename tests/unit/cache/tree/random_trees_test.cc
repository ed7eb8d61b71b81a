// The algebra against a model: a tree as a map from path to what is there.

#include <random>

#include "cache/tree/algebra.h"
#include "cache/tree/link_groups.h"
#include "tests/unit/cache/stores.h"

namespace cairn::tree {
namespace {

using ::cairn::testing::LinesOf;
using ::cairn::testing::Stores;

// path -> entry; a directory's metadata is in its entry.
using Model = std::map<std::string, Entry>;

class RandomTreesTest : public ::testing::TestWithParam<int> {
 protected:
  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
  Stores stores_;

  int Pick(int below) { return static_cast<int>(random_() % static_cast<uint32_t>(below)); }

  Entry RandomEntry() {
    Entry entry;
    switch (Pick(6)) {
      case 0:
        entry.type = Entry::Type::kDirectory;
        entry.metadata.mode = 0700 + Pick(3);
        break;
      case 1:
        entry = testing::LinkEntry(absl::StrCat("t", Pick(3)));
        break;
      case 2:
        entry.type = Entry::Type::kFifo;
        break;
      default:
        entry = testing::FileEntry(stores_.blobs(), absl::StrCat("bytes ", Pick(4)));
        entry.link_group = static_cast<uint64_t>(Pick(3));
    }
    entry.metadata.mtime_ns = Pick(3);
    return entry;
  }

  // Removes `path` and all below it.
  static void Erase(Model& model, const std::string& path) {
    for (auto it = model.begin(); it != model.end();) {
      it = it->first == path || absl::StartsWith(it->first, path + "/") ? model.erase(it)
                                                                        : std::next(it);
    }
  }

  void Mutate(Model& model, int edits) {
    for (int i = 0; i < edits; ++i) {
      std::string path;
      const int depth = 1 + Pick(4);
      for (int level = 0; level < depth; ++level) {
        if (level > 0 && model[path].type != Entry::Type::kDirectory) {
          Erase(model, path);
          model[path].type = Entry::Type::kDirectory;
          model[path].metadata.mode = 0755;
        }
        absl::StrAppend(&path, path.empty() ? "" : "/", std::string(1, 'a' + Pick(4)));
      }
      Erase(model, path);
      if (Pick(4) != 0) {
        model[path] = RandomEntry();
      }
    }
  }

  TreeRef Build(const Model& model, const std::string& path = "",
                const fs::Metadata& metadata = DefaultDirectoryMetadata()) {
    Directory directory;
    directory.metadata = metadata;
    for (const auto& [name, value] : model) {
      const size_t slash = name.rfind('/');
      if ((slash == std::string::npos ? "" : name.substr(0, slash)) != path) {
        continue;
      }
      Entry entry = value;
      entry.name = slash == std::string::npos ? name : name.substr(slash + 1);
      if (entry.type == Entry::Type::kDirectory) {
        entry.directory = Build(model, name, value.metadata);
        entry.metadata = fs::Metadata();
      }
      directory.entries.push_back(entry);
    }
    std::sort(directory.entries.begin(), directory.entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return *stores_.trees().Store(directory);
  }
};

TEST_P(RandomTreesTest, ApplyUndoesDiff) {
  Model lower;
  Mutate(lower, 30);
  for (int round = 0; round < 20; ++round) {
    Model upper = lower;
    Mutate(upper, Pick(12));
    const TreeRef from = Build(lower);
    const TreeRef to = Build(upper);
    ASSERT_OK_AND_ASSIGN(const auto delta, Diff(stores_.trees(), from, to));
    ASSERT_EQ(delta.has_value(), !(from == to));
    if (delta) {
      ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores_.trees(), from, *delta));
      ASSERT_EQ(LinesOf(stores_, result), LinesOf(stores_, to));
      ASSERT_EQ(result.content, to.content);  // but for links that changed elsewhere only
    }
    lower = upper;
  }
}

TEST_P(RandomTreesTest, SquashDoesWhatBothDeltasDo) {
  Model first;
  Mutate(first, 30);
  Model second = first;
  Mutate(second, 10);
  Model third = second;
  Mutate(third, 10);
  const auto one = Diff(stores_.trees(), Build(first), Build(second));
  const auto two = Diff(stores_.trees(), Build(second), Build(third));
  ASSERT_OK(one);
  ASSERT_OK(two);
  if (*one && *two) {
    ASSERT_OK_AND_ASSIGN(const TreeRef both, Squash(stores_.trees(), **one, **two));
    ASSERT_OK_AND_ASSIGN(const TreeRef result, Apply(stores_.trees(), Build(first), both));
    EXPECT_EQ(LinesOf(stores_, result), LinesOf(stores_, Build(third)));
    EXPECT_EQ(result.content, Build(third).content);
  }
}

TEST_P(RandomTreesTest, EditorReachesWhatTheModelSays) {
  Model before;
  Mutate(before, 20);
  Model after = before;
  Mutate(after, 10);
  Editor editor(stores_.trees(), Build(before));
  for (const auto& [path, entry] : before) {
    if (!after.contains(path) && editor.Get(path, false)->has_value()) {
      ASSERT_OK(editor.Remove(path));
    }
  }
  for (const auto& [path, entry] : after) {
    const auto was = before.find(path);
    if (was != before.end() && was->second == entry && editor.Get(path, false)->has_value()) {
      continue;
    }
    if (entry.type == Entry::Type::kDirectory) {
      ASSERT_OK_AND_ASSIGN(const auto there, editor.Get(path, false));
      if (there && there->type != Entry::Type::kDirectory) {
        ASSERT_OK(editor.Remove(path));
      }
      ASSERT_OK(editor.MakeDirectory(path, entry.metadata, false));
      ASSERT_OK(editor.SetDirectoryMetadata(path, entry.metadata));
    } else {
      ASSERT_OK(editor.Put(path, entry));
    }
    if (Pick(5) == 0) {
      ASSERT_OK(editor.Commit());
    }
  }
  ASSERT_OK_AND_ASSIGN(const TreeRef result, editor.Commit());
  EXPECT_EQ(LinesOf(stores_, result), LinesOf(stores_, Build(after)));
  EXPECT_EQ(result, Build(after));
}

TEST_P(RandomTreesTest, ContentIgnoresTimesAndGroups) {
  Model model;
  Mutate(model, 40);
  const TreeRef first = Build(model);
  for (auto& [path, entry] : model) {
    entry.metadata.mtime_ns += 1;
    entry.link_group = 0;
  }
  const TreeRef second = Build(model);
  EXPECT_EQ(first.content, second.content);
  EXPECT_FALSE(first == second);
  ASSERT_OK_AND_ASSIGN(const TreeRef remapped, RemapLinkGroups(stores_.trees(), first, "copy"));
  EXPECT_EQ(remapped.content, first.content);
  EXPECT_EQ(remapped == first, !first.Has(TreeRef::kHasLinkGroups));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTreesTest, ::testing::Range(1, 21));

}  // namespace
}  // namespace cairn::tree
