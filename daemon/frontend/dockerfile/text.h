// Small pieces of Go's text handling that the Dockerfile language is defined by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// Whether `c` is white space in ASCII.
bool IsSpace(char c);

// Whether `text` is valid UTF-8.
bool IsUtf8(string_view text);

// `text` in double quotes with Go's escapes (%q).
std::string Quote(string_view text);

// Splits at runs of blanks ([\t\v\f\r ]+) into at most `limit` parts; 0 is no limit. As Go's
// Regexp.Split: text that begins or ends with blanks gives empty first or last parts.
std::vector<std::string> SplitBlanks(string_view text, size_t limit);

// Go's strconv.ParseBool: 1 t T TRUE true True and 0 f F FALSE false False.
StatusOr<bool> ParseBool(string_view text);

// Go's time.ParseDuration: "1h15m30.918273645s"; error texts as Go's.
StatusOr<absl::Duration> ParseDuration(string_view text);

// Bytes in "64m", "1.5GiB", "100" (docker/go-units RAMInBytes: binary multiples, any case).
StatusOr<int64_t> ParseMemorySize(string_view text);

// The option nearest to `value`, at most two edits away; "" when there is none or when `value` is
// itself an option. Ignoring case, the answer takes the case of `value`.
std::string Suggest(string_view value, const std::vector<std::string>& options,
                    bool case_sensitive);

// `status` with " (did you mean X?)" after its message when Suggest() finds one.
Status WithSuggestion(const Status& status, string_view value,
                      const std::vector<std::string>& options, bool case_sensitive);

}  // namespace cairn::dockerfile
