#include "cache/registry/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::registry {
namespace {

constexpr size_t kMaxDepth = 32;

// Sees the document's events; stores nothing but the keys of the objects that are open.
class StrictReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  const char* problem() const { return problem_; }

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(std::size_t) override {
    open_.emplace_back();
    return open_.size() <= kMaxDepth || Fail("nested too deeply");
  }
  bool key(string_t& name) override {
    return open_.back().insert(name).second || Fail("a key occurs twice");
  }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override {
    if (open_.empty()) {
      return Fail("not a JSON object");
    }
    open_.emplace_back();
    return open_.size() <= kMaxDepth || Fail("nested too deeply");
  }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return Fail("not a JSON object");
  }

 private:
  bool Value() { return !open_.empty() || Fail("not a JSON object"); }
  bool Close() {
    open_.pop_back();
    return true;
  }
  bool Fail(const char* problem) {
    problem_ = problem;
    return false;
  }

  std::vector<std::set<std::string>> open_;  // keys of each open object; none of an array
  const char* problem_ = "not a JSON object";
};

}  // namespace

Status CheckStrictJson(string_view text, string_view what) {
  StrictReader reader;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", reader.problem()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::registry
