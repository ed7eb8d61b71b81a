#include "runtime/base/status.h"

#include <cerrno>

#include "tests/unit/testing.h"

namespace cairn {
namespace {

TEST(StatusTest, AnnotateKeepsCodeAndPayloads) {
  const Status annotated = Annotate(ErrnoStatus(ENOSPC, "write blob"), "pull layer");
  EXPECT_THAT(annotated, testing::StatusIs(absl::StatusCode::kResourceExhausted,
                                           "pull layer: write blob: no space left on device"));
  EXPECT_EQ(ErrnoOf(annotated), ENOSPC);
}

TEST(StatusTest, AnnotateLeavesCancellationAlone) {
  EXPECT_EQ(Annotate(absl::CancelledError("context canceled"), "solve").message(),
            "context canceled");
}

TEST(StatusTest, ErrnoOfStatusWithoutErrnoIsZero) {
  EXPECT_EQ(ErrnoOf(absl::InternalError("x")), 0);
}

StatusOr<int> Twice(const StatusOr<int>& value) {
  ASSIGN_OR_RETURN_IN(int number, value, "twice");
  return 2 * number;
}

TEST(StatusTest, AssignOrReturnInPassesValuesAndAnnotatesErrors) {
  EXPECT_THAT(Twice(21), testing::IsOkAndHolds(42));
  EXPECT_THAT(Twice(absl::NotFoundError("gone")),
              testing::StatusIs(absl::StatusCode::kNotFound, "twice: gone"));
}

}  // namespace
}  // namespace cairn
