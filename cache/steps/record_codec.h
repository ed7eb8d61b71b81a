// The on-disk form of the values in kSteps. These functions alone know it:
//
//   value  = record | eviction
//   eviction = 0 (1 byte), time
//   record = version (1 byte), outputs, description, created, duration (nanoseconds)
//   output = base input, content digest, layers
//   layer  = delta digest, content digest, bytes, entries, encoded size, traits, original?
//   original = media type, digest, size, diff ID, origin
//
// in the primitives of blob/encoding.h; lists have their count before them, an optional a byte.
#pragma once

#include <string>

#include "cache/steps/step_table.h"

namespace cairn::steps {

std::string EncodeRecord(const StepRecord& record);

// kDataLoss when the bytes are damaged; kFailedPrecondition when another release wrote them in a
// form that this one does not know.
StatusOr<StepRecord> DecodeRecord(string_view bytes);

std::string EncodeEviction(absl::Time time);

// The time of an eviction; nullopt when `bytes` are not one.
std::optional<absl::Time> DecodeEviction(string_view bytes);

}  // namespace cairn::steps
