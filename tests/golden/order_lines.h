/* UCI Online Retail (D. Chen, S. Sain, K. Guo, 2012; CC BY 4.0): order lines as CSV.
 *
 * Kept are lines with a customer, a price above 0 and a stock code of five digits and capital
 * letters. Without returns, also: an invoice that does not start with C and a quantity above 0, and
 * lines are merged to (user, order, product). The description is the row's text, the
 * country the user's. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "rows.h"

void order_lines_read(FILE *file, bool with_returns, Rows *rows);
