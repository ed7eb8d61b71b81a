// The step table: step key -> what the step made, and the readable pre-image of each key.
//
// A step key is the digest of its pre-image: a text that names the operation and the content
// digests of what it reads (no mtimes, no local names). A record is written after all it names is
// in the store, outlives the daemon's death at once and the machine's within seconds (see
// blob/durability.h). A record whose bytes are gone is a miss.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/blob/database.h"
#include "cache/layer/chain.h"
#include "runtime/base/digest.h"

namespace cairn::steps {

// The pre-image of a step key, built line by line: "<name> <value>\n". In values a backslash, a
// newline and control characters are escaped (\\, \n, \x00), so that no two different lists of
// lines share a text. The first line is "step <kind>". A space in a name is escaped too.
class KeyBuilder {
 public:
  // `kind` is the operation and its version: "exec 1".
  explicit KeyBuilder(string_view kind);
  KeyBuilder& Add(string_view name, string_view value);
  KeyBuilder& Add(string_view name, const Digest& digest);
  KeyBuilder& AddNumber(string_view name, int64_t value);
  const std::string& text() const { return text_; }
  Digest key() const { return Digest::Of(text_); }

 private:
  std::string text_;
};

// One output of a step: the layers it puts on top of its base.
struct StepOutput {
  // Index of the step input whose chain the output extends; -1 when it starts from scratch.
  int base_input = -1;
  std::vector<layer::Layer> layers;
  // Content digest of the whole result; holds for every base with equal content.
  Digest content;
};

struct StepRecord {
  std::vector<StepOutput> outputs;
  std::string description;  // the vertex's name when it ran
  absl::Time created;
  absl::Duration duration;  // of the run, for longest-path scheduling
};

class StepTable {
 public:
  explicit StepTable(blob::Database& database) : database_(database) {}

  // nullopt when there is none, when the root of a delta that it names is gone, or when it cannot
  // be read. Who uses the record has it in use first (gc::Lease::Use), so that it stays.
  StatusOr<std::optional<StepRecord>> Find(const Digest& key);

  // Writes the record and its pre-image in one batch. The caller has stored the blobs it names.
  Status Insert(const Digest& key, string_view preimage, const StepRecord& record);

  // For a record that turned out to be untrue: the step is about to run again. Absent is OK. The
  // pre-image stays.
  Status Erase(const Digest& key);

  // For a record that was collected at `now`: it is gone, but that and its pre-image are remembered
  // for explaining the next miss, until ForgetEvictions.
  Status Evict(const Digest& key, absl::Time now);
  // When the record of `key` was collected; nullopt when it was not.
  StatusOr<std::optional<absl::Time>> FindEviction(const Digest& key);
  // Drops what is remembered of records collected before `limit`.
  Status ForgetEvictions(absl::Time limit);

  StatusOr<std::optional<std::string>> FindPreimage(const Digest& key);

 private:
  blob::Database& database_;
};

}  // namespace cairn::steps
