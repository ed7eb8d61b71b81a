// Kills a program that works on a store at every fault point of cache/{blob,steps,gc}, and checks
// after each death that every record is true and everything acknowledged is there.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/blob/object_files.h"
#include "cache/tree/algebra.h"
#include "runtime/base/subprocess.h"
#include "tests/faults/store_fixture.h"
#include "tests/unit/testing.h"

namespace cairn::faults {
namespace {

constexpr int kKilled = 128 + 9;

// The names in every CAIRN_FAULT_POINT of the store's sources.
std::vector<std::string> FaultPoints() {
  std::vector<std::string> points;
  const std::regex macro("CAIRN_FAULT_POINT\\(\"([^\"]+)\"\\)");
  for (const char* module : {"blob", "steps", "gc"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(absl::StrCat(CAIRN_SOURCE_DIR, "/cache/", module))) {
      std::ifstream in(file.path());
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      for (std::sregex_iterator match(text.begin(), text.end(), macro), end; match != end;
           ++match) {
        points.push_back((*match)[1]);
      }
    }
  }
  return points;
}

class StoreCrashTest : public ::testing::TestWithParam<std::string> {
 protected:
  StoreCrashTest() { std::filesystem::create_directories(Scratch()); }
  std::string Root() { return dir_ / "state"; }
  std::string Scratch() { return dir_ / "scratch"; }

  // Runs the driver with the fault; returns its exit code.
  int Drive(const std::string& fault, int seed) {
    auto driver = Subprocess::Start(
        {.argv = {CAIRN_DRIVER, Root(), Scratch(), std::to_string(seed)},
         .environment = std::vector<std::string>{"CAIRN_FAULT=" + fault, "PATH=/usr/bin:/bin"}});
    EXPECT_OK(driver);
    auto code = (*driver)->Wait();
    EXPECT_OK(code);
    return *code;
  }

  // The identities whose last line in the journal is "added": they must be there.
  std::set<std::string> Acknowledged() {
    std::map<std::string, std::string> last;
    std::ifstream journal(Scratch() + "/journal");
    for (std::string line; std::getline(journal, line);) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      last[parts.second] = parts.first;
    }
    std::set<std::string> added;
    for (const auto& [identity, event] : last) {
      if (event == "added") {
        added.insert(identity);
      }
    }
    return added;
  }

  void Verify() {
    auto opened = Store::Open(Root());
    ASSERT_OK(opened);
    Store& store = **opened;
    VerifyBlobs(store);
    VerifySteps(store);
    VerifyImages(store);
    VerifyAcknowledged(store);
    ASSERT_OK(store.ledger->Sweep());
    VerifyBlobs(store);
    VerifySteps(store);
    VerifyImages(store);
    VerifyBytes(store);
  }

  static void VerifyBlobs(Store& store) {
    std::vector<Digest> digests;
    ASSERT_OK(
        store.blobs->List("", [&](const blob::BlobInfo& blob) { digests.push_back(blob.digest); }));
    for (const Digest& digest : digests) {
      ASSERT_OK_AND_ASSIGN(const std::string bytes, store.blobs->Read(digest));
      EXPECT_EQ(Digest::Of(bytes), digest);
    }
  }

  static void VerifyTree(Store& store, const Digest& digest) {
    auto directory = store.trees->Load(digest);
    ASSERT_OK(directory);
    for (const tree::Entry& entry : (*directory)->entries) {
      if (entry.file.has_value()) {
        EXPECT_THAT(store.blobs->Contains(*entry.file), testing::IsOkAndHolds(true));
      } else if (entry.directory.has_value()) {
        VerifyTree(store, entry.directory->digest);
      }
    }
  }

  // Every step that can be found is whole.
  static void VerifySteps(Store& store) {
    std::vector<Digest> keys;
    ASSERT_OK(store.database->Scan(blob::Table::kSteps, "", [&](string_view key, string_view) {
      keys.push_back(*Digest::FromRaw(key));
      return true;
    }));
    for (const Digest& key : keys) {
      ASSERT_OK_AND_ASSIGN(const auto record, store.steps->Find(key));
      if (record.has_value()) {
        VerifyTree(store, record->outputs[0].layers[0].delta.digest);
      }
    }
  }

  static void VerifyImages(Store& store) {
    ASSERT_OK_AND_ASSIGN(const std::vector<gc::Image> images, store.images->List());
    for (const gc::Image& image : images) {
      ASSERT_OK_AND_ASSIGN(const std::string manifest, store.blobs->Read(image.digest));
      for (const auto hex : absl::StrSplit(manifest, '\n', absl::SkipEmpty())) {
        EXPECT_THAT(store.blobs->Contains(*Digest::FromHex(hex)), testing::IsOkAndHolds(true));
      }
    }
  }

  void VerifyAcknowledged(Store& store) {
    const std::unique_ptr<gc::Lease> lease = store.ledger->NewLease();
    for (const std::string& identity : Acknowledged()) {
      EXPECT_THAT(lease->Use(identity), testing::IsOkAndHolds(true)) << identity;
      if (identity.starts_with("step:")) {
        ASSERT_OK_AND_ASSIGN(const auto record,
                             store.steps->Find(*Digest::FromHex(identity.substr(5))));
        EXPECT_TRUE(record.has_value()) << identity;
      } else if (identity.starts_with("image:")) {
        ASSERT_OK_AND_ASSIGN(const auto image, store.images->Get(identity.substr(6)));
        EXPECT_TRUE(image.has_value()) << identity;
      } else {
        EXPECT_TRUE(
            std::filesystem::exists(Scratch() + "/mounts/" + identity.substr(6) + "/sub/file"))
            << identity;
      }
    }
  }

  // The ledger's sizes, the index of blobs and the files agree.
  void VerifyBytes(Store& store) {
    uint64_t recorded = 0;
    uint64_t directories = 0;
    ASSERT_OK_AND_ASSIGN(const std::vector<gc::Record> records, store.ledger->List());
    for (const gc::Record& record : records) {
      if (record.type == gc::RecordType::kCacheMount) {
        directories += 1;
      } else if (record.identity != "variants:") {
        recorded += record.size;
      }
    }
    uint64_t indexed = 0;
    ASSERT_OK(store.blobs->List("", [&](const blob::BlobInfo& blob) { indexed += blob.size; }));
    EXPECT_EQ(recorded, indexed);
    EXPECT_THAT(store.blobs->RemoveStrays(), testing::IsOkAndHolds(0u));
    if (std::filesystem::exists(Scratch() + "/mounts")) {
      for (const auto& mount : std::filesystem::directory_iterator(Scratch() + "/mounts")) {
        EXPECT_EQ(mount.path().filename().string().find("doomed"), std::string::npos);
        EXPECT_GT(directories, 0u);
      }
    }
  }

  testing::TempDir dir_;
};

TEST_P(StoreCrashTest, DeathLeavesATrueStore) {
  int seed = 1;
  for (const int pass : {1, 2, 5, 12}) {
    SCOPED_TRACE(absl::StrCat("pass ", pass));
    const int code = Drive(absl::StrCat(GetParam(), "=crash@", pass), seed++);
    if (pass == 1) {
      EXPECT_EQ(code, kKilled) << "the driver never comes to " << GetParam();
    }
    Verify();
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_P(StoreCrashTest, ErrorLeavesATrueStore) {
  int seed = 100;
  for (const int pass : {1, 4}) {
    SCOPED_TRACE(absl::StrCat("pass ", pass));
    EXPECT_NE(Drive(absl::StrCat(GetParam(), "=error@", pass), seed++), kKilled);
    Verify();
    if (HasFatalFailure()) {
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, StoreCrashTest, ::testing::ValuesIn(FaultPoints()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return absl::StrCat(name, "_", info.index);
                         });

}  // namespace
}  // namespace cairn::faults
