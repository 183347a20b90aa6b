// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
/* node.c - see node.h. */
#include "node.h"

#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "ctl.h"
#include "run/config/config_impl.h"
#include "run/field.h"

int node_resolve(const char *what, const char *text, char *out, size_t room)
{
	char why[CONFIG_WHY_BYTES], address[FIELD_TEXT_BYTES];
	struct core_contact contact;
	struct tlv_reader field = { .key = SKERRY_K_ADDRESS };

	if (config_contact(text, &contact, why) != 0)
		return ctl_usage(what, text, "%s; [NAME=]HOST[:PORT]", why);
	field.value = (const uint8_t *)&contact.address;
	field.length = sizeof(contact.address);
	field_text(&field, SKERRY_T_ADDR, address);
	snprintf(out, room, "%s%s%.80s", contact.name,
		 contact.name[0] ? "=" : "", address);
	return 0;
}

int node_spec(const char *what, const char *text,
	      char ret_name[SKERRY_NAME_MAX_BYTES + 1],
	      struct skerry_addr *ret_address)
{
	char why[CONFIG_WHY_BYTES];
	struct core_contact contact;

	memset(&contact, 0, sizeof(contact));
	if (strchr(text, '=')) {
		if (config_contact(text, &contact, why) != 0)
			return ctl_usage(what, text,
					 "%s; NAME or NAME=HOST[:PORT]", why);
	} else {
		if (!skerry_name_valid(text))
			return ctl_usage(what, text,
					 "not a node name; NAME or "
					 "NAME=HOST[:PORT]");
		strcpy(contact.name, text);
	}
	strcpy(ret_name, contact.name);
	*ret_address = contact.address;
	return 0;
}
