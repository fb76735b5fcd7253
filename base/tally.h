/* SPDX-License-Identifier: ISC */
/* What is counted, by each worker and in all; adit.conf(5) has the meanings. */
#ifndef TALLY_H
#define TALLY_H

enum tally {
	TALLY_REQUESTS,
	TALLY_BAD,
	TALLY_DENIED,
	TALLY_REFUSED,
	TALLIES,
	TALLY_NONE = TALLIES /* counted nowhere */
};

#endif
