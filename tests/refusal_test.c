/* SPDX-License-Identifier: ISC */
/* LINK: http/refusal.c */
/*
 * Prints the status and the type of each refusal, for a comparison with the
 * manual; a row that is not filled in fails, or a reason that two rows have.
 */
#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

int
main(void)
{
	char word[] = "abcdefghijklmnopqrstuvwxyz_";

	for (int i = REFUSE_NOTHING + 1; i < REFUSALS; i++) {
		const struct refusal_row *row = refusal_row((enum refusal)i);

		must(strspn(row->reason, word) == strlen(row->reason) &&
			row->reason[0] != '\0',
		    "a reason in snake_case");
		for (int j = REFUSE_NOTHING + 1; j < i; j++)
			must(strcmp(row->reason,
				 refusal_row((enum refusal)j)->reason) != 0,
			    "a reason of its own");
		must(row->type != NULL && row->type[0] != '\0', "a type");
		must(row->tally <= TALLY_NONE, "a tally");
		must(row->sentence != NULL || i == REFUSE_STATISTICS,
		    "a sentence");
		must(strcmp(refusal_phrase(row->status),
			 refusal_phrase(row->status < 500 ? 499 : 599)) != 0,
		    "a phrase for the status");
		if (row->status >= 400)
			printf("%d %.*s\n", row->status,
			    (int)strcspn(row->type, ";"), row->type);
	}
	return 0;
}
