// ShellLexer: quotes and variables in the words of an instruction, after the manner of sh.
//
// $v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?m} ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r}
// ${v//p/r}; '..' literal, ".." with variables, the escape character. An unset variable is empty.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/environment.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct LexOptions {
  char escape = '\\';
  bool raw_quotes = false;     // keep the quotes
  bool raw_escapes = false;    // keep the escape characters
  bool ignore_quotes = false;  // quotes are ordinary characters
  bool keep_unset = false;     // leave references to unset variables as they are
};

struct LexResult {
  std::string text;                 // the expanded word
  std::vector<std::string> words;   // the same, split at unquoted blanks
  std::set<std::string> matched;    // variables that were looked up and are set
  std::set<std::string> unmatched;  // .. and are not
};

// Expands `word`. Fails with "failed to process "word": .." for unbalanced quotes, bad
// substitutions and ${v:?m} of an unset v.
StatusOr<LexResult> ExpandWord(string_view word, const Environment& environment,
                               const LexOptions& options = {});

}  // namespace cairn::dockerfile
