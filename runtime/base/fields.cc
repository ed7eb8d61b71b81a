#include "runtime/base/fields.h"

#include "absl/strings/str_cat.h"

namespace cairn {

StatusOr<std::vector<std::string>> SplitFields(string_view text) {
  std::vector<std::string> fields;
  size_t i = 0;
  while (true) {
    std::string field;
    if (i < text.size() && text[i] == '"') {
      ++i;
      while (true) {
        if (i >= text.size()) {
          return absl::UnknownError(absl::StrCat("parse error on line 1, column ", i + 1,
                                                 ": extraneous or missing \" in quoted-field"));
        }
        if (text[i] != '"') {
          field += text[i++];
        } else if (i + 1 < text.size() && text[i + 1] == '"') {
          field += '"';
          i += 2;
        } else {
          ++i;
          break;
        }
      }
      if (i < text.size() && text[i] != ',') {
        return absl::UnknownError(absl::StrCat("parse error on line 1, column ", i,
                                               ": extraneous or missing \" in quoted-field"));
      }
    } else {
      while (i < text.size() && text[i] != ',') {
        if (text[i] == '"') {
          return absl::UnknownError(absl::StrCat("parse error on line 1, column ", i + 1,
                                                 ": bare \" in non-quoted-field"));
        }
        field += text[i++];
      }
    }
    fields.push_back(std::move(field));
    if (i >= text.size()) {
      return fields;
    }
    ++i;  // the comma
  }
}

std::optional<bool> ParseGoBool(string_view text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

}  // namespace cairn
