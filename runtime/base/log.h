// The program's log: one line per event on stderr, level, message, then key=value fields.
//
// A Logger is built once by main and passed down by reference; it is thread-safe. Fields use the
// words of the API: build, vertex, session, digest. Secrets never go into a field.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

// Parses trace, debug, info, warn, warning, error.
StatusOr<LogLevel> ParseLogLevel(string_view text);

class Logger {
 public:
  struct Field {
    Field(string_view key, const absl::AlphaNum& value) : key(key), value(value.Piece()) {}
    string_view key;
    string_view value;
  };
  using Fields = std::initializer_list<Field>;

  Logger(LogLevel level, LogFormat format);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void Debug(string_view message, Fields fields = {}) { Log(LogLevel::kDebug, message, fields); }
  void Info(string_view message, Fields fields = {}) { Log(LogLevel::kInfo, message, fields); }
  void Warn(string_view message, Fields fields = {}) { Log(LogLevel::kWarn, message, fields); }
  void Error(string_view message, Fields fields = {}) { Log(LogLevel::kError, message, fields); }

  void Log(LogLevel level, string_view message, Fields fields);

 private:
  struct Sink;
  const LogLevel level_;
  const LogFormat format_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace cairn
