#include "runtime/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cairn {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// JSON string escapes (RFC 8259): control characters, quote and backslash.
std::string JsonQuote(string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, "\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// A value is quoted when it could be mistaken for more than one word.
std::string TextValue(string_view value) {
  if (!value.empty() && value.find_first_of(" \"=\n\t\r") == string_view::npos) {
    return std::string(value);
  }
  return absl::StrCat("\"", absl::CHexEscape(value), "\"");
}

}  // namespace

StatusOr<LogLevel> ParseLogLevel(string_view text) {
  for (LogLevel level :
       {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text == LevelName(level) || (text == "warn" && level == LogLevel::kWarn)) {
      return level;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", text, "\": want trace, debug, info, warn or error"));
}

struct Logger::Sink {
  spdlog::logger logger{"cairn", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

Logger::Logger(LogLevel level, LogFormat format)
    : level_(level), format_(format), sink_(std::make_unique<Sink>()) {
  sink_->logger.set_level(ToSpdlog(level));
  sink_->logger.set_pattern("%v");
  sink_->logger.flush_on(spdlog::level::trace);
}

Logger::~Logger() = default;

void Logger::Log(LogLevel level, string_view message, Fields fields) {
  if (level < level_) {
    return;
  }
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  std::string line;
  if (format_ == LogFormat::kJson) {
    line = absl::StrCat("{\"time\":\"", time, "\",\"level\":\"", LevelName(level),
                        "\",\"msg\":", JsonQuote(message));
    for (const Field& field : fields) {
      absl::StrAppend(&line, ",", JsonQuote(field.key), ":", JsonQuote(field.value));
    }
    line += "}";
  } else {
    line = absl::StrCat(time, " ", LevelName(level), " ", message);
    for (const Field& field : fields) {
      absl::StrAppend(&line, " ", field.key, "=", TextValue(field.value));
    }
  }
  sink_->logger.log(ToSpdlog(level), "{}", line);
}

}  // namespace cairn
