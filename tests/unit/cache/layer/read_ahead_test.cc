#include "cache/layer/read_ahead.h"

#include "tests/unit/testing.h"

namespace cairn::layer {
namespace {

using ::cairn::testing::StatusIs;

// Gives `size` bytes, then fails.
class FailingSource final : public fs::ByteSource {
 public:
  explicit FailingSource(size_t size) : left_(size) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t count = std::min(size, left_);
    if (count == 0) {
      return absl::UnavailableError("gone");
    }
    std::fill(buffer, buffer + count, 'x');
    left_ -= count;
    return count;
  }

 private:
  size_t left_;
};

TEST(ReadAheadTest, PassesEverythingOn) {
  std::string data(5'000'001, '\0');
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(i * 31);
  }
  fs::StringSource source(data);
  ReadAhead ahead(source);
  ASSERT_OK_AND_ASSIGN(const std::string read, fs::ReadToEnd(ahead, UINT64_MAX));
  EXPECT_TRUE(read == data);
}

TEST(ReadAheadTest, GivesTheBytesBeforeAFailure) {
  FailingSource source(3'000'000);
  ReadAhead ahead(source);
  std::string buffer(3'000'000, '\0');
  uint64_t total = 0;
  StatusOr<size_t> got = 0;
  do {
    got = ahead.Read(buffer.data(), buffer.size());
    total += got.value_or(0);
  } while (got.ok());
  EXPECT_THAT(got, StatusIs(absl::StatusCode::kUnavailable, "gone"));
  EXPECT_EQ(total, 3'000'000u / (512 << 10) * (512 << 10));
}

TEST(ReadAheadTest, MayBeDroppedBeforeTheEnd) {
  fs::StringSource source(std::string(20'000'000, 'x'));
  ReadAhead ahead(source);
  char byte = 0;
  EXPECT_OK(ahead.Read(&byte, 1));
}

}  // namespace
}  // namespace cairn::layer
