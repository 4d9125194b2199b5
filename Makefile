# Finds a Python that can run the course and hands the command on to course_utils/project/__main__.py.
# On Windows no make is needed: py -m course_utils.project COMMAND
.DEFAULT_GOAL := help
COMMANDS := help lab check test setup notebooks figures site slides student browser-test bench lock

.PHONY: $(COMMANDS)

# A candidate is tried by running it: a pyenv shim can be found and still not start.
$(COMMANDS):
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11 python; do \
	  if [ -n "$$python" ] && "$$python" -c \
	    'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; \
	  then exec "$$python" -m course_utils.project $@ $(ARGS); fi; \
	done; \
	echo "No working Python 3.11, 3.12 or 3.13 found: install one, or name one with make $@ PYTHON=/path/to/python3.13" >&2; \
	exit 1
