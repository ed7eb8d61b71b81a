#include "cache/blob/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <thread>

#include "cache/blob/database.h"
#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;

constexpr uint64_t kLarge = BlobStore::kInlineBytes + 1;

class BlobStoreTest : public ::testing::Test {
 protected:
  BlobStoreTest() : directory_(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    Reopen();
  }
  void Reopen() {
    store_.reset();
    database_.reset();
    auto database = Database::Open(dir_ / "db");
    ASSERT_OK(database);
    database_ = *std::move(database);
    auto store = BlobStore::Open(dir_ / "store", *database_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  std::string PathOf(const Digest& digest) {
    return dir_ / ("store/objects/" + digest.hex().substr(0, 2) + "/" + digest.hex().substr(2));
  }
  // The names of all files below objects/, without the store's own tmp.
  int CountObjectFiles() {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "store")) {
      files += entry.is_regular_file() ? 1 : 0;
    }
    return files;
  }
  struct stat StatOf(const std::string& name) {
    struct stat status = {};
    EXPECT_EQ(::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW), 0) << name;
    return status;
  }

  // The bytes removed; kFailedPrecondition when a hold keeps the blob.
  StatusOr<uint64_t> Remove(const Digest& digest) {
    bool kept = false;
    auto bytes = store_->Remove({digest}, [&](const Digest&) { kept = true; });
    return kept ? absl::FailedPreconditionError("held") : bytes;
  }

  testing::TempDir dir_;
  UniqueFd directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(BlobStoreTest, SmallAndLargeBlobsOutliveAReopen) {
  for (const std::string& data : {std::string(), std::string("small"), std::string(kLarge, 'x')}) {
    ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
    EXPECT_EQ(digest, Digest::Of(data));
    Reopen();
    EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(true));
    ASSERT_OK_AND_ASSIGN(const BlobInfo info, store_->Stat(digest));
    EXPECT_EQ(info.size, data.size());
    EXPECT_THAT(store_->Read(digest), IsOkAndHolds(data));
  }
  EXPECT_EQ(CountObjectFiles(), 1);
}

TEST_F(BlobStoreTest, AbsentBlobIsNotFound) {
  const Digest digest = Digest::Of("absent");
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(false));
  EXPECT_THAT(store_->Stat(digest), StatusIs(absl::StatusCode::kNotFound, HasSubstr("sha256:")));
  EXPECT_THAT(store_->Open(digest), StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

TEST_F(BlobStoreTest, WriterStoresBytesThatCameInPieces) {
  std::string data;
  ASSERT_OK_AND_ASSIGN(const auto writer, store_->NewWriter());
  for (int i = 0; i < 1000; ++i) {
    const std::string piece = "piece " + std::to_string(i);
    data += piece;
    ASSERT_OK(writer->Write(piece));
  }
  ASSERT_OK_AND_ASSIGN(const BlobInfo info, writer->Commit(Digest::Of(data)));
  EXPECT_EQ(info.size, data.size());
  EXPECT_THAT(store_->Read(info.digest), IsOkAndHolds(data));
}

TEST_F(BlobStoreTest, WriterRefusesBytesOfAnotherDigest) {
  for (const uint64_t size : {uint64_t{3}, kLarge}) {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->NewWriter());
    const std::string data(size, 'y');
    ASSERT_OK(writer->Write(data));
    EXPECT_THAT(writer->Commit(Digest::Of("other")),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of(data).ToString())));
    writer.reset();
    EXPECT_THAT(store_->Contains(Digest::Of(data)), IsOkAndHolds(false));
    EXPECT_THAT(store_->Contains(Digest::Of("other")), IsOkAndHolds(false));
  }
  EXPECT_EQ(CountObjectFiles(), 0);
}

TEST_F(BlobStoreTest, DroppedWriterLeavesNothing) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_->NewWriter());
  ASSERT_OK(writer->Write(std::string(kLarge, 'z')));
  writer.reset();
  EXPECT_EQ(CountObjectFiles(), 0);
}

TEST_F(BlobStoreTest, LeftoverTemporariesAreRemovedAtStart) {
  dir_.Write("store/objects/tmp/12", "half a blob");
  Reopen();
  EXPECT_EQ(CountObjectFiles(), 0);
}

TEST_F(BlobStoreTest, ReaderReadsAnyRange) {
  std::string data(3 * kLarge, 'a');
  data[kLarge] = 'b';
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
  ASSERT_OK_AND_ASSIGN(const auto reader, store_->Open(digest));
  EXPECT_GE(reader->fd(), 0);
  EXPECT_THAT(reader->ReadAt(kLarge, 2), IsOkAndHolds(std::string("ba")));
  EXPECT_THAT(reader->ReadAt(data.size() - 1, 10), IsOkAndHolds(std::string("a")));
  EXPECT_THAT(reader->ReadAt(data.size() + 1, 10), IsOkAndHolds(std::string()));
  EXPECT_THAT(fs::ReadToEnd(*reader->Stream(), data.size()), IsOkAndHolds(data));
}

TEST_F(BlobStoreTest, ReaderOutlivesTheRemovalOfItsBlob) {
  const std::string data(kLarge, 'r');
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
  ASSERT_OK_AND_ASSIGN(const auto reader, store_->Open(digest));
  ASSERT_OK(Remove(digest));
  EXPECT_THAT(reader->ReadAt(0, kLarge), IsOkAndHolds(data));
}

TEST_F(BlobStoreTest, ReadHonoursItsLimit) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put("12345"));
  EXPECT_OK(store_->Read(digest, 5));
  EXPECT_THAT(store_->Read(digest, 4),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("5 bytes")));
}

TEST_F(BlobStoreTest, AdoptLinksALargeFile) {
  const std::string data(kLarge, 'f');
  dir_.Write("file", data);
  const Digest digest = Digest::Of(data);
  EXPECT_THAT(store_->Adopt(directory_.get(), "file", digest, kLarge), IsOkAndHolds(false));
  EXPECT_EQ(StatOf("file").st_nlink, 2u);
  EXPECT_THAT(store_->Read(digest), IsOkAndHolds(data));
  dir_.Write("again", data);
  EXPECT_THAT(store_->Adopt(directory_.get(), "again", digest, kLarge), IsOkAndHolds(true));
  EXPECT_EQ(StatOf("again").st_nlink, 1u);
}

TEST_F(BlobStoreTest, AdoptReadsASmallFile) {
  dir_.Write("file", "small");
  EXPECT_THAT(store_->Adopt(directory_.get(), "file", Digest::Of("small"), 5), IsOkAndHolds(false));
  EXPECT_EQ(StatOf("file").st_nlink, 1u);
  EXPECT_THAT(store_->Read(Digest::Of("small")), IsOkAndHolds(std::string("small")));
}

TEST_F(BlobStoreTest, AdoptRefusesWhatChangedMeanwhile) {
  dir_.Write("file", "small");
  EXPECT_THAT(store_->Adopt(directory_.get(), "file", Digest::Of("other"), 5),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("changed meanwhile")));
  EXPECT_THAT(store_->Adopt(directory_.get(), "file", Digest::Of("small"), 6),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("changed meanwhile")));
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(store_->Adopt(directory_.get(), "fifo", Digest::Of(""), 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST_F(BlobStoreTest, TruncatedFileIsDataLossAndPuttingItAgainRepairsIt) {
  const std::string data(kLarge, 't');
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
  std::filesystem::resize_file(PathOf(digest), 10);
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(false));
  EXPECT_THAT(store_->Stat(digest), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("10 bytes")));
  EXPECT_THAT(store_->Open(digest), StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
  ASSERT_OK(store_->Put(data));
  EXPECT_THAT(store_->Read(digest), IsOkAndHolds(data));
}

TEST_F(BlobStoreTest, VanishedFileIsDataLossAndPuttingItAgainRepairsIt) {
  const std::string data(kLarge, 'v');
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
  std::filesystem::remove(PathOf(digest));
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(false));
  EXPECT_THAT(store_->Open(digest), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("gone")));
  dir_.Write("file", data);
  EXPECT_THAT(store_->Adopt(directory_.get(), "file", digest, kLarge), IsOkAndHolds(false));
  EXPECT_THAT(store_->Read(digest), IsOkAndHolds(data));
}

TEST_F(BlobStoreTest, RemoveReturnsTheBytes) {
  ASSERT_OK_AND_ASSIGN(const Digest small, store_->Put("small"));
  ASSERT_OK_AND_ASSIGN(const Digest large, store_->Put(std::string(kLarge, 'x')));
  EXPECT_THAT(Remove(small), IsOkAndHolds(5u));
  EXPECT_THAT(Remove(large), IsOkAndHolds(kLarge));
  EXPECT_THAT(Remove(large), IsOkAndHolds(0u));
  EXPECT_THAT(store_->Contains(small), IsOkAndHolds(false));
  EXPECT_EQ(CountObjectFiles(), 0);
}

TEST_F(BlobStoreTest, HoldKeepsWhatWasPutOrFoundWhileItLived) {
  ASSERT_OK_AND_ASSIGN(const Digest before, store_->Put("before"));
  ASSERT_OK_AND_ASSIGN(const Digest found, store_->Put("found"));
  std::unique_ptr<Hold> hold = store_->NewHold();
  ASSERT_OK_AND_ASSIGN(const Digest put, store_->Put("put"));
  EXPECT_THAT(store_->Contains(found), IsOkAndHolds(true));
  EXPECT_OK(Remove(before));
  EXPECT_THAT(Remove(found), StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
  EXPECT_THAT(Remove(put), StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
  hold.reset();
  EXPECT_OK(Remove(found));
  EXPECT_OK(Remove(put));
}

TEST_F(BlobStoreTest, LaterHoldDoesNotKeepWhatOnlyAnEndedOneSaw) {
  std::unique_ptr<Hold> first = store_->NewHold();
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put("x"));
  const std::unique_ptr<Hold> second = store_->NewHold();
  EXPECT_THAT(Remove(digest), StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
  first.reset();
  EXPECT_OK(Remove(digest));
}

TEST_F(BlobStoreTest, PutAndRemoveOfOneBlobNeverLoseAHeldOne) {
  const std::string data(kLarge, 'c');
  const Digest digest = Digest::Of(data);
  std::thread remover([&] {
    for (int i = 0; i < 300; ++i) {
      Remove(digest).IgnoreError();
    }
  });
  for (int i = 0; i < 300; ++i) {
    const std::unique_ptr<Hold> hold = store_->NewHold();
    ASSERT_OK(store_->Put(data));
    ASSERT_THAT(store_->Read(digest), IsOkAndHolds(data));
  }
  remover.join();
}

TEST_F(BlobStoreTest, HeldBlobMayHaveLaterOnesKept) {
  ASSERT_OK_AND_ASSIGN(const Digest child, store_->Put("child"));
  const std::unique_ptr<Hold> hold = store_->NewHold();
  ASSERT_OK_AND_ASSIGN(const Digest parent, store_->Put("parent"));
  std::vector<Digest> kept;
  ASSERT_OK(store_->Remove({parent, child}, [&](const Digest& digest) {
    kept.push_back(digest);
    store_->Touch(child);
  }));
  EXPECT_THAT(kept, ::testing::ElementsAre(parent, child));
  EXPECT_THAT(store_->Contains(child), IsOkAndHolds(true));
}

TEST_F(BlobStoreTest, ListVisitsEveryBlobOfAPrefix) {
  ASSERT_OK_AND_ASSIGN(const Digest small, store_->Put("small"));
  ASSERT_OK_AND_ASSIGN(const Digest large, store_->Put(std::string(kLarge, 'x')));
  std::vector<std::pair<Digest, uint64_t>> all;
  const auto collect = [&](const BlobInfo& blob) { all.emplace_back(blob.digest, blob.size); };
  ASSERT_OK(store_->List("", collect));
  EXPECT_THAT(all, ::testing::UnorderedElementsAre(std::pair(small, uint64_t{5}),
                                                   std::pair(large, kLarge)));
  all.clear();
  ASSERT_OK(store_->List(small.raw().substr(0, 4), collect));
  EXPECT_THAT(all, ::testing::ElementsAre(std::pair(small, uint64_t{5})));
}

TEST_F(BlobStoreTest, StraysAreRemovedAndBlobsStay) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kLarge, 'x')));
  const std::string stray = Digest::Of("stray").hex();
  dir_.Write("store/objects/" + stray.substr(0, 2) + "/" + stray.substr(2), "stray");
  EXPECT_THAT(store_->RemoveStrays(), IsOkAndHolds(5u));
  EXPECT_THAT(store_->RemoveStrays(), IsOkAndHolds(0u));
  EXPECT_THAT(store_->Contains(digest), IsOkAndHolds(true));
}

TEST_F(BlobStoreTest, StoreOfAnotherFormatIsRefused) {
  ASSERT_OK(database_->Put(Table::kMeta, "format", "2"));
  EXPECT_THAT(BlobStore::Open(dir_ / "other", *database_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has format 2")));
}

}  // namespace
}  // namespace cairn::blob
