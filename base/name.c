/* SPDX-License-Identifier: ISC */
/*
 * Host names: their canonical form, whether one lies below another, and whether
 * a resolver would take one for an address.  Nothing here may look up a name.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "bounds.h"
#include "name.h"

/*
 * Returns whether text can be a host name that a client asks for, or such a
 * name with a dot in front (a suffix).  A name that ends in a number can not.
 * Changes name in place: letters become lower case, and one trailing dot is
 * removed.
 */
bool
name_fold(char *name)
{
	size_t len = strlen(name);

	if (len > 1 && name[len - 1] == '.')
		name[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + ('a' - 'A'));
		else if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.",
			     name[i]) == NULL ||
		    (name[i] == '.' && name[i + 1] == '.'))
			return false;
	}
	return len > 0 && len < HOST_SIZE && strcmp(name, ".") != 0 &&
	    !name_ends_in_number(name);
}

/*
 * Returns whether a rule covers a name: ".suffix" covers the names below
 * suffix, "name" covers name itself as well as those below it.  Case and a
 * trailing dot of the name do not matter; only whole labels match.
 */
bool
name_matches(const char *rule, const char *name)
{
	size_t name_len = strlen(name), rule_len = strlen(rule);

	if (name_len > 0 && name[name_len - 1] == '.')
		name_len--;
	if (name_len < rule_len || rule_len == 0 ||
	    strncasecmp(name + name_len - rule_len, rule, rule_len) != 0)
		return false;
	if (name_len == rule_len)
		return rule[0] != '.';
	return rule[0] == '.' || name[name_len - rule_len - 1] == '.';
}

/*
 * Returns whether the last label of a name is a number, decimal or hexadecimal.
 * Resolvers take such a name for an IPv4 address in one of its many forms.
 */
bool
name_ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *label = dot != NULL ? dot + 1 : host;

	if (label[strspn(label, "0123456789")] == '\0')
		return true;
	return label[0] == '0' && (label[1] == 'x' || label[1] == 'X') &&
	    label[2 + strspn(label + 2, "0123456789abcdefABCDEF")] == '\0';
}
