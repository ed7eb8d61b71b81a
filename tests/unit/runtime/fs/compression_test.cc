#include "runtime/fs/compression.h"

#include <random>

#include "runtime/base/subprocess.h"
#include "tests/unit/testing.h"

namespace cairn::fs {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::_;

// Compressible, and longer than every buffer.
std::string Sample(size_t size = 3'000'001) {
  std::mt19937 random(42);
  std::string data;
  while (data.size() < size) {
    data.append(random() % 40, static_cast<char>('a' + random() % 26));
    data += static_cast<char>(random());
  }
  data.resize(size);
  return data;
}

// Gives few bytes at a time.
class SlowSource final : public ByteSource {
 public:
  SlowSource(std::string data, size_t step) : source_(std::move(data)), step_(step) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override {
    return source_.Read(buffer, std::min(size, step_));
  }

 private:
  StringSource source_;
  const size_t step_;
};

struct Variant {
  Encoding encoding;
  std::optional<int> level;
};

class CompressionTest : public ::testing::TestWithParam<Variant> {};

TEST_P(CompressionTest, RoundTrip) {
  for (const std::string& data : {std::string(), std::string("x"), Sample()}) {
    ASSERT_OK_AND_ASSIGN(const std::string packed,
                         Compress(GetParam().encoding, data, GetParam().level));
    EXPECT_EQ(DetectEncoding(packed.substr(0, kEncodingMagicBytes)), GetParam().encoding);
    ASSERT_OK_AND_ASSIGN(const std::string unpacked,
                         Decompress(GetParam().encoding, packed, data.size()));
    EXPECT_TRUE(unpacked == data);
  }
}

TEST_P(CompressionTest, OutputDoesNotDependOnTheCut) {
  const std::string data = Sample(1'000'000);
  ASSERT_OK_AND_ASSIGN(const std::string whole,
                       Compress(GetParam().encoding, data, GetParam().level));
  std::string pieces;
  StringSink sink(&pieces);
  ASSERT_OK_AND_ASSIGN(const auto compressor,
                       NewCompressor(GetParam().encoding, sink, GetParam().level));
  for (size_t at = 0; at < data.size(); at += 777) {
    ASSERT_OK(compressor->Write(string_view(data).substr(at, 777)));
  }
  ASSERT_OK(compressor->Finish());
  EXPECT_TRUE(pieces == whole);
}

TEST_P(CompressionTest, EveryTruncationIsAnError) {
  const std::string data = Sample(5000);
  ASSERT_OK_AND_ASSIGN(const std::string packed,
                       Compress(GetParam().encoding, data, GetParam().level));
  for (size_t size = 0; size < packed.size(); size += size < 40 ? 1 : 97) {
    EXPECT_THAT(Decompress(GetParam().encoding, packed.substr(0, size), 1 << 20),
                StatusIs(absl::StatusCode::kInvalidArgument, _))
        << size;
  }
  EXPECT_THAT(Decompress(GetParam().encoding, packed.substr(0, packed.size() - 1), 1 << 20),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_P(CompressionTest, ConcatenationReadsAsOneAndJunkDoesNot) {
  const std::string data = Sample(300'000);
  ASSERT_OK_AND_ASSIGN(const std::string packed,
                       Compress(GetParam().encoding, data, GetParam().level));
  for (const size_t step : {size_t{1}, size_t{1000}, size_t{1} << 20}) {
    SlowSource source(packed + packed + packed, step);
    const auto stream = NewDecompressor(GetParam().encoding, source);
    ASSERT_OK_AND_ASSIGN(const std::string unpacked, ReadToEnd(*stream, 1 << 20));
    EXPECT_TRUE(unpacked == data + data + data) << step;
  }
  EXPECT_THAT(Decompress(GetParam().encoding, packed + "junk after it", 1 << 20),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_P(CompressionTest, MutatedDataIsReadOrRefused) {
  const std::string data = Sample(20'000);
  ASSERT_OK_AND_ASSIGN(const std::string packed,
                       Compress(GetParam().encoding, data, GetParam().level));
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    std::string mutated = packed;
    mutated[random() % mutated.size()] = static_cast<char>(random());
    const StatusOr<std::string> unpacked = Decompress(GetParam().encoding, mutated, 1 << 20);
    EXPECT_TRUE(unpacked.ok() || absl::IsInvalidArgument(unpacked.status()) ||
                absl::IsResourceExhausted(unpacked.status()))
        << unpacked.status();
  }
}

TEST_P(CompressionTest, OutputIsLimited) {
  ASSERT_OK_AND_ASSIGN(
      const std::string packed,
      Compress(GetParam().encoding, std::string(10'000'000, '\0'), GetParam().level));
  EXPECT_THAT(Decompress(GetParam().encoding, packed, 1'000'000),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
}

INSTANTIATE_TEST_SUITE_P(All, CompressionTest,
                         ::testing::Values(Variant{Encoding::kGzip, std::nullopt},
                                           Variant{Encoding::kGzip, 0}, Variant{Encoding::kGzip, 3},
                                           Variant{Encoding::kGzip, 9},
                                           Variant{Encoding::kZstd, std::nullopt},
                                           Variant{Encoding::kZstd, 9}));

TEST(CompressionDetectionTest, ReadsWhatToolsWrite) {
  const std::string data = Sample(500'000);
  for (const char* tool : {"gzip", "bzip2", "xz", "zstd"}) {
    StatusOr<CommandOutput> packed = RunCommand({.argv = {tool, "-c"}}, data);
    if (!packed.ok() || packed->exit_code != 0) {
      continue;  // not on this machine
    }
    SlowSource source(packed->out, 100);
    ASSERT_OK_AND_ASSIGN(const auto stream, NewDetectingDecompressor(source));
    ASSERT_OK_AND_ASSIGN(const std::string unpacked, ReadToEnd(*stream, 1 << 20));
    EXPECT_TRUE(unpacked == data) << tool;
    SlowSource cut(packed->out.substr(0, packed->out.size() / 2), 100);
    ASSERT_OK_AND_ASSIGN(const auto cut_stream, NewDetectingDecompressor(cut));
    EXPECT_THAT(ReadToEnd(*cut_stream, 1 << 20), StatusIs(absl::StatusCode::kInvalidArgument, _))
        << tool;
  }
}

TEST(CompressionDetectionTest, PlainDataPasses) {
  for (const std::string& data : {std::string(), std::string("BZ"), std::string("plain text")}) {
    StringSource source(data);
    ASSERT_OK_AND_ASSIGN(const auto stream, NewDetectingDecompressor(source));
    EXPECT_THAT(ReadToEnd(*stream, 100), IsOkAndHolds(data));
  }
}

TEST(CompressionDetectionTest, BadLevelsAreRefused) {
  for (const int level : {-1, 23, 100}) {
    EXPECT_THAT(Compress(Encoding::kZstd, "x", level),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_THAT(Compress(Encoding::kGzip, "x", level),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
  }
}

}  // namespace
}  // namespace cairn::fs
