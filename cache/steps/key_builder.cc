#include "absl/strings/str_cat.h"
#include "cache/steps/step_table.h"

namespace cairn::steps {
namespace {

// Escapes what would end a line or look like an escape, and spaces if asked to; everything else,
// UTF-8 included, stays readable.
void AppendEscaped(string_view value, bool spaces, std::string& text) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || (spaces && c == ' ')) {
      text += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    } else {
      text += c;
    }
  }
}

}  // namespace

KeyBuilder::KeyBuilder(string_view kind) { Add("step", kind); }

KeyBuilder& KeyBuilder::Add(string_view name, string_view value) {
  AppendEscaped(name, /*spaces=*/true, text_);
  text_ += ' ';
  AppendEscaped(value, /*spaces=*/false, text_);
  text_ += '\n';
  return *this;
}

KeyBuilder& KeyBuilder::Add(string_view name, const Digest& digest) {
  return Add(name, string_view(digest.ToString()));
}

KeyBuilder& KeyBuilder::AddNumber(string_view name, int64_t value) {
  return Add(name, string_view(absl::StrCat(value)));
}

}  // namespace cairn::steps
