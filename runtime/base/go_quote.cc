#include "runtime/base/go_quote.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace cairn {
namespace {

// The length of the well-formed UTF-8 sequence that `text` starts with; 0 when there is none.
size_t SequenceLength(string_view text) {
  const auto at = [&text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = at(0);
  const size_t length = first < 0x80                     ? 1
                        : first >= 0xc2 && first <= 0xdf ? 2
                        : first >= 0xe0 && first <= 0xef ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0 || length > text.size()) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
      (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

std::string GoQuote(string_view text) {
  constexpr string_view kNamed = "\a\b\f\n\r\t\v\\\"";
  constexpr string_view kNames = "abfnrtv\\\"";
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t named = kNamed.find(text.front());
    const size_t length = SequenceLength(text);
    const auto byte = static_cast<uint8_t>(text.front());
    if (named != string_view::npos) {
      absl::StrAppend(&quoted, "\\", kNames.substr(named, 1));
    } else if (length == 0 || byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\x%02x", byte);
    } else {
      absl::StrAppend(&quoted, text.substr(0, length));
      text.remove_prefix(length - 1);
    }
    text.remove_prefix(1);
  }
  quoted += '"';
  return quoted;
}

std::string GoJson(string_view json) {
  // Outside of strings none of these occurs.
  return absl::StrReplaceAll(json, {{"<", "\\u003c"},
                                    {">", "\\u003e"},
                                    {"&", "\\u0026"},
                                    {"\xE2\x80\xA8", "\\u2028"},
                                    {"\xE2\x80\xA9", "\\u2029"}});
}

}  // namespace cairn
