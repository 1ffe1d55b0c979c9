/* server/modules/invite_commands.h - the commands by which users and administrators invite others (XEP-0401 0.6.0). */
#ifndef LINNET_SERVER_MODULES_INVITE_COMMANDS_H
#define LINNET_SERVER_MODULES_INVITE_COMMANDS_H

/* [start] */
void invite_commands_register(void);

#endif
