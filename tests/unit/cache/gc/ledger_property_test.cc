#include <random>
#include <set>

#include "tests/unit/cache/gc/gc_testing.h"

namespace cairn::gc {
namespace {

using testing::IsOkAndHolds;

class LedgerPropertyTest : public LedgerTest {
 protected:
  // A tree of a few levels whose parts come from so small a stock that trees share much.
  tree::TreeRef RandomTree(int depth) {
    std::map<std::string, std::string> files;
    std::map<std::string, tree::TreeRef> directories;
    for (int i = Pick(4); i > 0; --i) {
      const int content = Pick(12);
      files["f" + std::to_string(Pick(6))] =
          std::string(content == 0 ? 9000 : 10 + content, static_cast<char>('a' + content));
    }
    for (int i = depth > 0 ? Pick(4) : 0; i > 0; --i) {
      directories.emplace("d" + std::to_string(Pick(4)), RandomTree(depth - 1));
    }
    return PutTree(files, directories);
  }
  int Pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  // Everything that the model's records reach.
  std::set<Digest> Reached(const std::map<std::string, RecordDraft>& model) {
    std::set<Digest> reached;
    for (const auto& [identity, draft] : model) {
      reached.insert(draft.blobs.begin(), draft.blobs.end());
      for (const Digest& root : draft.trees) {
        Reach(root, reached);
      }
    }
    return reached;
  }
  void Reach(const Digest& directory, std::set<Digest>& reached) {
    reached.insert(directory);
    auto loaded = trees_->Load(directory);
    ASSERT_OK(loaded);
    for (const tree::Entry& entry : (*loaded)->entries) {
      if (entry.file.has_value()) {
        reached.insert(*entry.file);
      } else if (entry.directory.has_value()) {
        Reach(entry.directory->digest, reached);
      }
    }
  }

  std::mt19937 random_{20240607};
};

TEST_F(LedgerPropertyTest, SizesAddUpToWhatIsStoredAfterAnyHistory) {
  std::map<std::string, RecordDraft> model;
  for (int round = 0; round < 400; ++round) {
    const std::string identity = "step:" + std::to_string(Pick(12));
    if (Pick(3) > 0) {
      RecordDraft draft = {.identity = identity};
      for (int i = 1 + Pick(2); i > 0; --i) {
        draft.trees.push_back(RandomTree(3).digest);
      }
      if (Pick(3) == 0) {
        draft.blobs.push_back(PutBlob(std::string(10 + Pick(12), 'a')));
      }
      ASSERT_OK(ledger_->Add(draft));
      model[identity] = draft;
    } else if (model.erase(identity) > 0) {
      ASSERT_OK(ledger_->Remove(identity));
    }
    if (round % 10 != 9) {
      continue;
    }
    ASSERT_OK(ledger_->Sweep());
    uint64_t sizes = 0;
    ASSERT_OK_AND_ASSIGN(const std::vector<Record> records, ledger_->List());
    EXPECT_EQ(records.size(), model.size());
    for (const Record& record : records) {
      sizes += record.size;
    }
    ASSERT_EQ(sizes, StoredBytes()) << "round " << round;
    std::set<Digest> stored;
    ASSERT_OK(blobs_->List("", [&](const blob::BlobInfo& blob) { stored.insert(blob.digest); }));
    ASSERT_EQ(stored, Reached(model)) << "round " << round;
  }
  for (const auto& [identity, draft] : model) {
    ASSERT_OK(ledger_->Remove(identity));
  }
  ASSERT_OK(ledger_->Sweep());
  EXPECT_EQ(StoredBytes(), 0u);
  int references = 0;
  ASSERT_OK(database_->Scan(blob::Table::kReferences, "", [&](string_view, string_view) {
    ++references;
    return true;
  }));
  EXPECT_EQ(references, 0);
}

}  // namespace
}  // namespace cairn::gc
