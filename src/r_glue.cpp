#include "r_glue.h"

#include <chrono>
#include <cstdio>
#include <future>

namespace glue {

namespace {

const char* kind_name(canal::ErrorKind kind) {
  switch (kind) {
    case canal::ErrorKind::input: return "input";
    case canal::ErrorKind::sizes: return "sizes";
    case canal::ErrorKind::file: return "file";
    case canal::ErrorKind::version: return "version";
    case canal::ErrorKind::memory: return "memory";
    case canal::ErrorKind::team: return "team";
    default: return "internal";
  }
}

// What R tells when it is asked for events: Ctrl-C by a jump, an end of setTimeLimit() by an error.
struct Heard {
  bool error = false;
  char message[256] = "";
};

SEXP ask_for_events(void*) {
  R_CheckUserInterrupt();
  return R_NilValue;
}

SEXP keep_error(SEXP condition, void* data) {
  auto* heard = static_cast<Heard*>(data);
  heard->error = true;
  const SEXP message = VECTOR_ELT(condition, 0);
  if (TYPEOF(message) == STRSXP && Rf_length(message) == 1) {
    std::snprintf(heard->message, sizeof heard->message, "%s", CHAR(STRING_ELT(message, 0)));
  }
  return R_NilValue;
}

void listen(void* heard) { R_tryCatchError(ask_for_events, nullptr, keep_error, heard); }

// A progress function that fails must not leave the worker running, so its error waits until the
// end.
class Reporter {
 public:
  explicit Reporter(SEXP progress) : progress_(progress) {}
  void report(const canal::Control& control) {
    const double done = static_cast<double>(control.done.load());
    if (Rf_isNull(progress_) || done == last_) return;
    last_ = done;
    Rcpp::Function call(progress_);
    call(done, static_cast<double>(control.total.load()));
  }

 private:
  SEXP progress_;
  double last_ = -1;
};

}  // namespace

// R_CheckUserInterrupt() jumps; at top level the jump ends here and is seen as FALSE.
bool interrupt_pending() {
  Heard heard;
  if (R_ToplevelExec(listen, &heard) == FALSE) return true;
  if (heard.error) throw Rcpp::exception(heard.message, false);
  return false;
}

void raise(const canal::ErrorReport& report) {
  Rcpp::Environment space = Rcpp::Environment::namespace_env("canalR");
  Rcpp::Function engine_error = space["engine_error"];
  engine_error(kind_name(report.kind), report.message);
  Rcpp::stop("engine_error() returned");
}

bool interruptible(canal::Control& control, SEXP progress, const std::function<void()>& work) {
  constexpr auto poll = std::chrono::milliseconds(50);
  // Work that is shorter than this would never hear of an interrupt: one that waits is heard here.
  if (interrupt_pending()) return false;
  std::future<void> result = guarded([&] {
    canal::require_thread_memory(1);
    return std::async(std::launch::async, work);
  });
  Reporter reporter(progress);
  bool interrupted = false;
  try {
    while (result.wait_for(poll) != std::future_status::ready) {
      if (interrupted) continue;
      reporter.report(control);
      if (interrupt_pending()) {
        interrupted = true;
        control.cancel = true;
      }
    }
  } catch (...) {
    control.cancel = true;
    result.wait();
    throw;
  }
  canal::ErrorReport report;
  try {
    result.get();
    reporter.report(control);
    return !interrupted;
  } catch (const canal::Cancelled&) {
    return false;
  } catch (const Rcpp::LongjumpException&) {
    throw;
  } catch (...) {
    report = canal::describe_current_exception();
  }
  raise(report);
}

void run_or_interrupt(canal::Control& control, SEXP progress, const std::function<void()>& work) {
  if (!interruptible(control, progress, work)) throw Rcpp::internal::InterruptedException();
}

}  // namespace glue
