// Ignore patterns: which paths a .dockerignore file, COPY --exclude, or the include and exclude
// patterns of a transfer select (the semantics of moby/patternmatcher, which all clients share).
//
// A pattern is a Go path pattern (go_match.h) plus "**" for any number of directories. It matches a
// path or any of its parents; a leading '!' makes an exception; the last pattern that matches
// decides. Patterns are anchored at the root: "a" does not match "b/a".
//
// PatternMatcher is immutable and thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

class PatternMatcher {
 public:
  // What a walk carries from a directory to its children, so that each level is matched once.
  struct Parent {
    std::vector<bool> matched;  // per pattern; empty at the root
  };

  // Blank patterns are skipped. kInvalidArgument for a malformed pattern or a bare "!".
  static StatusOr<PatternMatcher> Create(const std::vector<std::string>& patterns);

  PatternMatcher(PatternMatcher&&) noexcept;
  PatternMatcher& operator=(PatternMatcher&&) noexcept;
  ~PatternMatcher();

  // Whether `path` (relative, slashes, clean) or one of its parents is selected.
  bool Matches(string_view path) const;

  // The same, one level at a time: `parent` is what was reported for the directory that holds
  // `path` (default at the root). `self`, if not null, receives what its children need.
  bool MatchesBelow(string_view path, const Parent& parent, Parent* self) const;

  // Whether any pattern is an exception ("!.."): then a walk must look below what is excluded.
  bool has_exceptions() const { return has_exceptions_; }
  bool empty() const { return patterns_.empty(); }
  // The patterns as understood: cleaned, without '!'.
  std::vector<std::string> patterns() const;

 private:
  struct Pattern;
  PatternMatcher();

  std::vector<std::unique_ptr<const Pattern>> patterns_;
  bool has_exceptions_ = false;
};

// The patterns of an ignore file's text: one a line, '#' in the first column is a comment, blanks
// trimmed, a leading byte-order mark dropped, paths cleaned and made relative ("/a/" is "a").
std::vector<std::string> ReadIgnorePatterns(string_view text);

}  // namespace cairn
