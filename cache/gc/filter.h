// containerd filter expressions over records: "type==regular", "description~=apt,inuse", "id==x".
//
// Entries of a list are OR-ed, comma-separated terms within one are AND-ed. Operators ==, !=, ~=
// (regular expression); a bare field is a presence test. Fields: id, parents (joined by ';'),
// description, type, inuse, mutable, immutable, shared, private. An immutable value; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "cache/gc/ledger.h"

namespace cairn::gc {

class Filter {
 public:
  // kInvalidArgument names the expression and the place where it goes wrong.
  static StatusOr<Filter> Parse(const std::vector<std::string>& expressions);

  // True for every record when there are no expressions.
  bool Matches(const Record& record) const;

 private:
  struct Term {
    std::string field;
    std::string op;  // "", "==", "!=", "~="
    std::string value;
  };
  std::vector<std::vector<Term>> alternatives_;
};

}  // namespace cairn::gc
