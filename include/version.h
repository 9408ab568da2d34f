/* The program's version. */
#pragma once

#define SHORTLIST_VERSION "0.1.0"
