#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

using testing::IsOkAndHolds;

constexpr uint64_t kObjectBytes = BlobStore::kInlineBytes + 1;

class MaterializeTest : public ::testing::Test {
 protected:
  MaterializeTest() : directory_(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    auto database = Database::Open(dir_ / "db");
    EXPECT_OK(database);
    database_ = *std::move(database);
    auto store = BlobStore::Open(dir_ / "store", *database_);
    EXPECT_OK(store);
    store_ = *std::move(store);
  }

  fs::Metadata Mode(uint32_t mode, int64_t mtime_ns = 1'000'000'007) {
    return {.mode = mode, .uid = ::geteuid(), .gid = ::getegid(), .mtime_ns = mtime_ns};
  }
  Status Make(const Digest& digest, const fs::Metadata& metadata, const std::string& name,
              bool may_link) {
    return store_->Materialize(digest, metadata, directory_.get(), name, may_link);
  }
  ino_t InodeOf(const std::string& name) {
    struct stat status = {};
    EXPECT_EQ(::fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW), 0);
    return status.st_ino;
  }
  fs::Metadata MetadataOf(const std::string& name) {
    auto metadata = fs::ReadMetadata(directory_.get(), name);
    EXPECT_OK(metadata);
    return *metadata;
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

TEST_F(MaterializeTest, FilesHaveTheBytesAndTheMetadata) {
  int number = 0;
  for (const std::string& data : {std::string("small"), std::string(kObjectBytes, 'x')}) {
    for (const bool may_link : {false, true}) {
      ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
      const std::string name = "file" + std::to_string(number++);
      ASSERT_OK(Make(digest, Mode(0640), name, may_link));
      EXPECT_EQ(dir_.Read(name), data);
      EXPECT_EQ(MetadataOf(name), Mode(0640));
    }
  }
}

TEST_F(MaterializeTest, EqualMetadataSharesOneInode) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kObjectBytes, 'x')));
  ASSERT_OK(Make(digest, Mode(0600), "a", true));
  ASSERT_OK(Make(digest, Mode(0600), "b", true));
  ASSERT_OK(Make(digest, Mode(0600), "copy", false));
  EXPECT_EQ(InodeOf("a"), InodeOf("b"));
  EXPECT_NE(InodeOf("a"), InodeOf("copy"));
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(0u));
}

TEST_F(MaterializeTest, OtherMetadataGetsAnInodeOfItsOwn) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kObjectBytes, 'x')));
  ASSERT_OK(Make(digest, Mode(0600), "a", true));
  ASSERT_OK(Make(digest, Mode(0755), "b", true));
  ASSERT_OK(Make(digest, Mode(0755), "c", true));
  EXPECT_NE(InodeOf("a"), InodeOf("b"));
  EXPECT_EQ(InodeOf("b"), InodeOf("c"));
  EXPECT_EQ(MetadataOf("a"), Mode(0600));
  EXPECT_EQ(MetadataOf("b"), Mode(0755));
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(kObjectBytes));
}

TEST_F(MaterializeTest, AdoptedInodeIsNeverChangedWhileItsOwnerHasIt) {
  const std::string data(kObjectBytes, 'x');
  dir_.Write("upper", data);
  ASSERT_EQ(::chmod((dir_ / "upper").c_str(), 0604), 0);
  ASSERT_OK(store_->Adopt(directory_.get(), "upper", Digest::Of(data), kObjectBytes));
  ASSERT_OK(Make(Digest::Of(data), Mode(0755), "other", true));
  EXPECT_EQ(MetadataOf("upper").mode, 0604u);
  ASSERT_OK(Make(Digest::Of(data), MetadataOf("upper"), "same", true));
  EXPECT_EQ(InodeOf("same"), InodeOf("upper"));
}

TEST_F(MaterializeTest, RemovedVariantsLeaveTheirLinks) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kObjectBytes, 'x')));
  ASSERT_OK(Make(digest, Mode(0600), "a", true));
  ASSERT_OK(Make(digest, Mode(0755), "b", true));
  EXPECT_THAT(store_->RemoveVariants(), IsOkAndHolds(kObjectBytes));
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(0u));
  EXPECT_EQ(dir_.Read("b").size(), kObjectBytes);
}

TEST_F(MaterializeTest, RemovingABlobCountsItsVariants) {
  ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(std::string(kObjectBytes, 'x')));
  ASSERT_OK(Make(digest, Mode(0600), "a", true));
  ASSERT_OK(Make(digest, Mode(0755), "b", true));
  EXPECT_THAT(Remove(digest), IsOkAndHolds(2 * kObjectBytes));
  EXPECT_THAT(store_->VariantBytes(), IsOkAndHolds(0u));
  EXPECT_THAT(store_->RemoveStrays(), IsOkAndHolds(0u));
}

TEST_F(MaterializeTest, ExistingNameIsRefused) {
  for (const std::string& data : {std::string("small"), std::string(kObjectBytes, 'x')}) {
    ASSERT_OK_AND_ASSIGN(const Digest digest, store_->Put(data));
    dir_.Write("taken", "mine");
    for (const bool may_link : {false, true}) {
      EXPECT_EQ(Make(digest, Mode(0600), "taken", may_link).code(),
                absl::StatusCode::kAlreadyExists);
    }
    EXPECT_EQ(dir_.Read("taken"), "mine");
  }
}

}  // namespace
}  // namespace cairn::blob
