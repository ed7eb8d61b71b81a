#include "runtime/fs/byte_pipe.h"

#include <thread>

#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn::fs {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;

TEST(BytePipeTest, CarriesMoreThanItHolds) {
  BytePipe pipe(10);
  std::thread writer = StartThread("writer", [&pipe] {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_OK(pipe.Write("0123456789abcdef"));
    }
    pipe.CloseWriter(absl::OkStatus());
  });

  EXPECT_THAT(Drain(pipe), IsOkAndHolds(16000U));
  writer.join();
}

TEST(BytePipeTest, ReaderGetsWhatWasWrittenAndThenTheError) {
  BytePipe pipe;
  ASSERT_OK(pipe.Write("data"));
  pipe.CloseWriter(absl::UnavailableError("connection lost"));
  char buffer[8];

  EXPECT_THAT(pipe.Read(buffer, sizeof buffer), IsOkAndHolds(4U));
  EXPECT_THAT(pipe.Read(buffer, sizeof buffer),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connection lost")));
}

TEST(BytePipeTest, WriterThatWaitsIsToldThatTheReaderLeft) {
  BytePipe pipe(1);
  ASSERT_OK(pipe.Write("full"));
  Status written;
  std::thread writer = StartThread("writer", [&] { written = pipe.Write("more"); });

  pipe.CloseReader();
  writer.join();

  EXPECT_THAT(written, StatusIs(absl::StatusCode::kCancelled, HasSubstr("nobody reads")));
}

}  // namespace
}  // namespace cairn::fs
