// What the runtimes of the sanitizers ask each program of the presets asan and tsan at its start.
// Compiled in, as tests start cairnd in an environment of its own; ASAN_OPTIONS, UBSAN_OPTIONS and
// TSAN_OPTIONS override the options.

extern "C" {

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:check_initialization_order=1:strict_init_order=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }

// The first finding ends the program, as a daemon that goes on would keep it in its log. Libraries
// are not instrumented, and what they do to memory says nothing without what orders it.
const char* __tsan_default_options() {
  return "halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1";
}

// RocksDB: threads that write together hand the leader's batch on by atomic variables of its own,
// and the strings in it are changed by instances of std::string's members from our programs.
const char* __tsan_default_suppressions() {
  return "race:rocksdb::WriteBatchInternal::Append\n"
         "race:rocksdb::WriteBatch::Clear\n";
}

}  // extern "C"
