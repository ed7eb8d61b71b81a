// The on-disk forms of the ledger's records. These functions alone know kRecords:
//
//   "i" + identity             -> record number (8 bytes, big endian)
//   "n" + record number        -> StoredRecord
//   "u" + record number        -> Usage
//   "m" + record number        -> bytes of the record's directories (varint), once measured
//
// Usage and measure are apart from the record, so that using one rewrites nothing else and takes no
// part in the order of the ledger's changes. Record numbers are never used twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"

namespace cairn::gc {

using RecordNumber = uint64_t;

struct StoredRecord {
  RecordNumber number = 0;
  uint64_t size = 0;  // bytes of the blobs it owns
  absl::Time created;
  RecordDraft draft;
};

struct Usage {
  std::optional<absl::Time> last_used;
  int64_t count = 0;
  uint64_t order = 0;  // rises with every use and every new record
};

std::string EncodeStoredRecord(const StoredRecord& record);
StatusOr<StoredRecord> DecodeStoredRecord(string_view bytes);

std::string EncodeUsage(const Usage& usage);
StatusOr<Usage> DecodeUsage(string_view bytes);

std::string EncodeNumber(RecordNumber number);
StatusOr<RecordNumber> DecodeNumber(string_view bytes);

std::string IdentityKey(string_view identity);
std::string RecordKey(RecordNumber number);
std::string UsageKey(RecordNumber number);
std::string MeasureKey(RecordNumber number);

// What clients know a record by: 25 characters of base36, the same as long as the record exists.
std::string RecordId(const StoredRecord& record);

}  // namespace cairn::gc
