/* server/control/notify.h - tells the service manager how far we are (systemd's sd_notify protocol).
 *
 * A datagram to the socket that $NOTIFY_SOCKET names, so that "started" means that clients can connect. Nothing happens
 * when nobody asked for it. [control] */
#ifndef LINNET_SERVER_CONTROL_NOTIFY_H
#define LINNET_SERVER_CONTROL_NOTIFY_H

/* All listeners are open. Call it once more when a reload is done. */
void notify_ready(void);
/* A reload begins; notify_ready() ends it. */
void notify_reloading(void);
/* SIGTERM came: from now on clients are being sent away. */
void notify_stopping(void);

#endif
